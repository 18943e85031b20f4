// Mitchell's multiplier with a lower-part OR adder, ALM-LOA (Liu et al., 2018), on significands.
//
// The T low bits of the sum of the fractions are the OR of theirs. The bits above are added
// exactly; the carry into them is the AND of the highest bits of the two low parts.
module alm_loa #(
    parameter M = 7,
    parameter T = 3
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  wire carry = x[T-1] & y[T-1];
  assign p[T-1:0] = x[T-1:0] | y[T-1:0];
  assign p[M:T] = {1'b0, x[M-1:T]} + {1'b0, y[M-1:T]} + {{M - T{1'b0}}, carry};
endmodule
