// Floating-point multiplier around any significand core: sign, exponent, special values.
//
// The core sits outside, between the ports (x, y) and (carry, fraction), so that one file serves
// every core. Operands are float(E, M); the product is float(E, F). Subnormal operands count as
// zero, an exponent below 1 gives a signed zero, above the largest a signed infinity,
// 0 x infinity and NaN operands the quiet NaN.
module fp_multiply #(
    parameter E = 8,
    parameter M = 7,
    parameter F = 7
) (
    input  [E+M:0] a,
    input  [E+M:0] b,
    output [M-1:0] x,
    output [M-1:0] y,
    input          carry,
    input  [F-1:0] fraction,
    output [E+F:0] p
);
  localparam [E+1:0] BIAS = (1 << (E - 1)) - 1;
  localparam [E+1:0] TOP = (1 << E) - 1;
  localparam [E+F:0] QUIET_NAN = {{(E + 1) {1'b1}}, {F{1'b0}}} >> 1;

  wire [E-1:0] exponent_a = a[E+M-1:M];
  wire [E-1:0] exponent_b = b[E+M-1:M];
  assign x = a[M-1:0];
  assign y = b[M-1:0];

  wire sign = a[E+M] ^ b[E+M];
  wire zero = (exponent_a == 0) | (exponent_b == 0);
  wire full_a = &exponent_a;
  wire full_b = &exponent_b;
  wire nan = (full_a & (|x)) | (full_b & (|y)) | (zero & (full_a | full_b));

  // Kept positive by comparing before the bias is taken off.
  wire [E+1:0] sum = {2'b0, exponent_a} + {2'b0, exponent_b} + {{(E + 1) {1'b0}}, carry};
  wire [E+1:0] unbiased = sum - BIAS;
  wire underflow = sum <= BIAS;
  wire overflow = sum >= BIAS + TOP;

  wire [E+F:0] infinity = {sign, {E{1'b1}}, {F{1'b0}}};
  wire [E+F:0] signed_zero = {sign, {(E + F) {1'b0}}};
  wire [E+F:0] normal = {sign, unbiased[E-1:0], fraction};

  assign p = nan ? QUIET_NAN
           : (full_a | full_b) ? infinity
           : (zero | underflow) ? signed_zero
           : overflow ? infinity
           : normal;
endmodule
