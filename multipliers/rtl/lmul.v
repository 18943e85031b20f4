// Linear-complexity multiplication, L-Mul (Luo and Sun, 2024), on significands.
//
// The product x y of the fractions, which Mitchell's multiplier leaves out below a carry, is taken
// as the constant 2^-L. The paper has L = M up to 3, 3 for M = 4, and 4 above. A sum that the
// constant lifts to 2 would be a product of 4, and in a float carry into the exponent once more;
// here, where the exponent rises by one at most, it becomes the largest product below 4.
module lmul #(
    parameter M = 7,
    parameter L = 4
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  localparam [M+1:0] OFFSET = 1 << (M - L);
  wire [M+1:0] sum = {2'b0, x} + {2'b0, y} + OFFSET;
  assign p = sum[M:0] | {M + 1{sum[M+1]}};
endmodule
