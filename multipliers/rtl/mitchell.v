// Mitchell's logarithmic multiplier (1962), on normalised significands.
//
// log2(1 + x) is taken as x, so the logarithm of the product is x + y: its integer part is the
// carry and its fractional part, read as a mantissa again, the fraction. The sum {carry, fraction}
// is the whole multiplier.
module mitchell #(
    parameter M = 7
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  assign p = {1'b0, x} + {1'b0, y};
endmodule
