// Mitchell's multiplier with approximate mirror adders, ALM-MAA3 (Liu et al., 2018; the adders of
// Gupta et al., 2013), on significands.
//
// The T low bits of the sum of the fractions come from a chain of the third approximate mirror
// adder: the carry out is y | x & carry in, and the sum bit its complement. The bits above are
// added exactly. The paper does not say which operand is which: y is the one that sets the carry.
module alm_maa #(
    parameter M = 7,
    parameter T = 3
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  reg [T-1:0] low;
  reg carry;
  integer i;
  always @* begin
    carry = 1'b0;
    for (i = 0; i < T; i = i + 1) begin
      carry = y[i] | (x[i] & carry);
      low[i] = ~carry;
    end
  end
  assign p[T-1:0] = low;
  assign p[M:T] = {1'b0, x[M-1:T]} + {1'b0, y[M-1:T]} + {{M - T{1'b0}}, carry};
endmodule
