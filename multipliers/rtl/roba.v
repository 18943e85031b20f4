// Rounding-based approximate multiplier, RoBA, unsigned (Zendegani et al., 2017).
//
// With r and s the powers of two nearest to a and b, ab = rb + sa - rs + (a - r)(b - s). The last
// term is dropped; the others are shifts. Halfway values 3 2^p round up; 3 itself rounds down to
// 2, as in the paper, whose rounding logic is then smaller. The largest operands round to 2^N.
//
// Two shifts suffice, rb + s(a - r): a - r is a with its leading one read as a sign if it is
// rounded up, else without it.
/* verilator lint_off DECLFILENAME */
module roba #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [4:0] log_r, log_s;
  wire [N-1:0] rest;
  /* verilator lint_off PINCONNECTEMPTY */
  roba_round #(.N(N)) left (.a(a), .exponent(log_r), .rest(rest));
  roba_round #(.N(N)) right (.a(b), .exponent(log_s), .rest());
  /* verilator lint_on PINCONNECTEMPTY */

  wire [2*N-1:0] row = {{N{1'b0}}, b & {N{|a}}} << log_r;
  wire [2*N-1:0] correction = {{N{rest[N-1] & |b}}, rest & {N{|b}}} << log_s;
  assign p = row + correction;
endmodule

// The exponent of the nearest power of two, and what the operand exceeds it by.
module roba_round #(
    parameter N = 8
) (
    input      [N-1:0] a,
    output reg [  4:0] exponent,
    output reg [N-1:0] rest
);
  integer i;
  always @* begin
    exponent = 0;
    rest = 0;
    for (i = 1; i < N; i = i + 1)
      if (a[i]) begin
        exponent = i[4:0] + {4'b0, i > 1 && a[i-1]};
        rest = a ^ ({{N - 1{1'b0}}, 1'b1} << i);
        if (i > 1 && a[i-1]) rest = a | {N{1'b1}} << i;
      end
  end
endmodule
