// Rounding-based approximate multiplier, RoBA, signed (Zendegani et al., 2017).
//
// S = 0 (S-RoBA) takes exact magnitudes a, b and negates the product of operands of unlike sign;
// S = 1 (AS-RoBA) inverts instead of negating, operands and product. With r and s the powers of
// two nearest to the magnitudes, the product is rb + s(a - r), two shifts; a - r is a with its
// leading one read as a sign if a is rounded up, else without it.
//
// The product of x + y is inverted or negated on the way: ~(x + y) = ~x + ~y + 1, and one more.
module roba_signed #(
    parameter N = 8,
    parameter S = 0
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [N-1:0] magnitude_a, magnitude_b, rest;
  wire [4:0] log_r, log_s;
  roba_signed_magnitude #(.N(N), .S(S)) left (.a(a), .magnitude(magnitude_a));
  roba_signed_magnitude #(.N(N), .S(S)) right (.a(b), .magnitude(magnitude_b));
  roba_signed_round #(.N(N)) first (.a(magnitude_a), .exponent(log_r), .rest(rest));
  wire [N-1:0] unused;
  roba_signed_round #(.N(N)) second (.a(magnitude_b), .exponent(log_s), .rest(unused));
  /* verilator lint_on PINCONNECTEMPTY */

  wire [N-1:0] shifted_b = magnitude_b & {N{|magnitude_a}};
  wire [N-1:0] shifted_rest = rest & {N{|magnitude_b}};
  wire [2*N-1:0] row = {{N{1'b0}}, shifted_b} << log_r;
  wire [2*N-1:0] correction = {{N{shifted_rest[N-1]}}, shifted_rest} << log_s;

  wire negative = a[N-1] ^ b[N-1];
  wire [2*N-1:0] product = row + correction;
  generate
    if (S == 0) begin : exact
      assign p = negative ? -product : product;
    end else begin : inverted
      assign p = product ^ {2 * N{negative}};
    end
  endgenerate
endmodule

module roba_signed_magnitude #(
    parameter N = 8,
    parameter S = 0
) (
    input  [N-1:0] a,
    output [N-1:0] magnitude
);
  wire [N-1:0] inverted = a ^ {N{a[N-1]}};
  assign magnitude = S == 0 ? inverted + {{N - 1{1'b0}}, a[N-1]} : inverted;
endmodule

// The exponent of the nearest power of two, and what the magnitude exceeds it by.
module roba_signed_round #(
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
