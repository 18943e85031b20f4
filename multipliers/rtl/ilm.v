// Improved logarithmic multiplier, ILM (Ansari, Cockburn and Han, 2021), on significands.
//
// An operand is 2^k (1 + q) relative to the NEAREST power of two, the upper one from 3/2 on, so q
// is in [-1/4, 1/2); the product is taken as 2^(k+k') (1 + q + q'). With the adder exact (ILM-EA)
// that is x + y, as Mitchell has it, if both fractions are below 1/2 or neither is. Else the
// smaller one weighs twice: 1 + x + 2y. If that reaches 2 it is renormalised and its lowest bit
// cut, which the integer product of the paper has room for.
module ilm #(
    parameter M = 7
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  wire mixed = x[M-1] ^ y[M-1];
  wire [M-1:0] weighed_x = mixed & ~x[M-1] ? {x[M-2:0], 1'b0} : x;
  wire [M-1:0] weighed_y = mixed & ~y[M-1] ? {y[M-2:0], 1'b0} : y;
  wire [M:0] sum = {1'b0, weighed_x} + {1'b0, weighed_y};
  assign p = mixed & sum[M] ? {1'b1, 1'b0, sum[M-1:1]} : sum;
endmodule
