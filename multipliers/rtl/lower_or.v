// Multiplier with a lower-part OR, after the lower-part OR adder (Mahdiani et al., 2010).
//
// The partial-product bits of each of the V least-significant columns are ORed: one bit, no carry.
// The columns above are added exactly.
module lower_or #(
    parameter N = 8,
    parameter V = 6
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-V-1:0] upper;
      wire [V-1:0] lower;
      if (i == 0) begin : first
        assign upper = shifted[2*N-1:V];
        assign lower = shifted[V-1:0];
      end else begin : next
        assign upper = row[i-1].upper + shifted[2*N-1:V];
        assign lower = row[i-1].lower | shifted[V-1:0];
      end
    end
  endgenerate
  assign p = {row[N-1].upper, row[N-1].lower};
endmodule
