// Configurable floating-point multiplier, CFPU (Imani, Peroni and Rosing, 2017), on significands.
//
// The fraction y is discarded if its T high bits, the tuning bits, are all 0, and rounded up to 1
// if they are all 1: the product is x, or 2x. Else it is exact, cut to M bits; 0 takes the place
// of y in its multiplier otherwise, so that it rests. The second operand is the one discarded, by
// convention; and exact products are cut, not rounded, as that is cheapest.
module cfpu #(
    parameter M = 7,
    parameter T = 3
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  wire [M:0] discarded = {y[M-1], x};
  generate
    if (T == 1) begin : always_discarded
      assign p = discarded;
      wire unused = &{1'b0, y[M-2:0]};
    end else begin : tuned
      wire exact = |y[M-1:M-T] & ~&y[M-1:M-T];
      wire [2*M+1:0] product = {1'b1, x} * {1'b1, y & {M{exact}}};
      wire carry = product[2*M+1];
      wire [M-1:0] fraction = carry ? product[2*M:M+1] : product[2*M-1:M];
      assign p = {carry | y[M-1] & ~exact, fraction};
      wire unused = &{1'b0, product[M-1:0]};
    end
  endgenerate
endmodule
