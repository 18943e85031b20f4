// Truncated multiplier with constant correction (Schulte and Swartzlander, 1993).
//
// The T least-significant columns of the partial-product array are not formed. Column j < N holds
// j + 1 bits, each 1 with probability 1/4, so on average they hold
//     (1/4) sum_{j<T} (j + 1) 2^j = ((T - 1) 2^T + 1) / 4,
// which C = 1 adds back, rounded to (T - 1) 2^(T-2): a bias of -1/4 ulp remains. Bits of the
// constant below column T are wires, not gates.
module truncated #(
    parameter N = 8,
    parameter T = 4,
    parameter C = 1
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam [2*N-1:0] FORMED = {2 * N{1'b1}} << T;
  localparam [31:0] MEAN = ((T - 1) << T) / 4;
  localparam [2*N-1:0] CORRECTION = C != 0 && T > 1 ? {{N - 2{1'b0}}, MEAN[N+1:0]} : {2 * N{1'b0}};

  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = CORRECTION + (shifted & FORMED);
      else assign sum = row[i-1].sum + (shifted & FORMED);
    end
  endgenerate
  assign p = row[N-1].sum;
endmodule
