// Mitchell's multiplier on truncated fractions, Mitch-w (Kim et al., 2019), on significands.
//
// The fractions are cut to their W high bits before they are added; the others of the product
// are zero.
module mitch_w #(
    parameter M = 7,
    parameter W = 4
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  assign p[M:M-W] = {1'b0, x[M-1:M-W]} + {1'b0, y[M-1:M-W]};
  assign p[M-W-1:0] = {M - W{1'b0}};
  wire unused = &{1'b0, x[M-W-1:0], y[M-W-1:0]};
endmodule
