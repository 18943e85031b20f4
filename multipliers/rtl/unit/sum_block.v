// A step of integers in blocks on its way into a sum: its products, added, are one term.
//
// TOTAL bits of two's complement leave as a magnitude. Scales are powers of two by their exponents,
// of which the largest code is NaN. The exponent of the term is that of both added, plus OFFSET;
// 0: there is no term, as where products add up to zero.
module sum_block #(
    parameter S = 8,
    parameter TOTAL = 16,
    parameter X = 9,
    parameter OFFSET = 1
) (
    input  [    S-1:0] scale_a,
    input  [    S-1:0] scale_b,
    input  [TOTAL-1:0] total,
    output [TOTAL-1:0] significand,
    output             present,
    output             negative,
    output [    X-1:0] exponent,
    output             nan,
    output             infinite
);
  localparam [X-1:0] SHIFT = OFFSET;

  assign nan = (&scale_a) | (&scale_b);
  assign infinite = 1'b0;
  assign negative = total[TOTAL-1];
  assign significand = (total ^ {TOTAL{negative}}) + {{(TOTAL - 1) {1'b0}}, negative};
  assign present = (|total) & ~nan;

  wire [X-1:0] sum = {{(X - S) {1'b0}}, scale_a} + {{(X - S) {1'b0}}, scale_b} + SHIFT;
  assign exponent = sum & {X{present}};
endmodule
