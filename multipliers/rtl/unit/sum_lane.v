// Operands of one product on their way into a sum: significands for the core, what is special.
//
// Operands are float(E, M). A subnormal operand counts as zero, and its product is no term. The
// exponent of a term is that of both operands added, plus OFFSET; 0: there is no term.
module sum_lane #(
    parameter E = 8,
    parameter M = 7,
    parameter X = 9,
    parameter OFFSET = 0
) (
    input  [E+M:0] a,
    input  [E+M:0] b,
    output [M-1:0] x,
    output [M-1:0] y,
    output         present,
    output         negative,
    output [X-1:0] exponent,
    output         nan,
    output         infinite
);
  localparam [X-1:0] SHIFT = OFFSET;

  wire [E-1:0] exponent_a = a[E+M-1:M];
  wire [E-1:0] exponent_b = b[E+M-1:M];
  assign x = a[M-1:0];
  assign y = b[M-1:0];

  wire zero = ~(|exponent_a) | ~(|exponent_b);
  wire full_a = &exponent_a;
  wire full_b = &exponent_b;
  assign nan = (full_a & (|x)) | (full_b & (|y)) | (zero & (full_a | full_b));
  assign infinite = (full_a | full_b) & ~nan;
  assign present = ~zero & ~full_a & ~full_b;
  assign negative = a[E+M] ^ b[E+M];

  wire [X-1:0] sum = {{(X - E) {1'b0}}, exponent_a} + {{(X - E) {1'b0}}, exponent_b} + SHIFT;
  assign exponent = sum & {X{present}};
endmodule
