// Partial-product perforation (Zervakis et al., 2016).
//
// The K successive partial products from row S on are not formed, which clears bits S..S+K-1 of
// the multiplier operand.
module perforated #(
    parameter N = 8,
    parameter S = 1,
    parameter K = 2
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] sum;
      if (i >= S && i < S + K) begin : perforated
        if (i == 0) assign sum = 0;
        else assign sum = row[i-1].sum;
      end else begin : formed
        wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
        if (i == 0) assign sum = shifted;
        else assign sum = row[i-1].sum + shifted;
      end
    end
  endgenerate
  assign p = row[N-1].sum;
endmodule
