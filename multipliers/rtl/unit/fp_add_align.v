// First half of an adder: the smaller operand moved to the larger one, and both added.
//
// `total` is the magnitude of the sum with three bits below the last of float(E, M), the lowest of
// which is sticky, and one above; `exponent` that of the larger operand. `kind` is {NaN, infinity,
// subtraction, sign of the larger operand}.
module fp_add_align #(
    parameter E = 8,
    parameter M = 23
) (
    input  [E+M:0] a,
    input  [E+M:0] b,
    output [M+4:0] total,
    output [E-1:0] exponent,
    output [  3:0] kind
);
  // Significand with two guard bits and a sticky one below; a sum has one more above.
  localparam W = M + 4;

  wire swap = a[E+M-1:0] < b[E+M-1:0];
  wire [E+M:0] major = swap ? b : a;
  wire [E+M:0] minor = swap ? a : b;
  wire subtract = a[E+M] ^ b[E+M];
  wire normal_major = |major[E+M-1:M];
  wire normal_minor = |minor[E+M-1:M];
  // Subnormals have the exponent of the smallest normal numbers.
  assign exponent = {major[E+M-1:M+1], major[M] | ~normal_major};
  wire [E-1:0] exponent_minor = {minor[E+M-1:M+1], minor[M] | ~normal_minor};
  wire [E-1:0] distance = exponent - exponent_minor;

  // What leaves at the right end is kept in the sticky bit.
  reg [W-1:0] aligned;
  always @* begin : align
    integer i;
    aligned = {normal_minor, minor[M-1:0], 3'b0};
    for (i = 0; i < E; i = i + 1)
      if (distance[i])
        aligned = (aligned >> (1 << i))
            | {{(W - 1) {1'b0}}, |(aligned & ~({W{1'b1}} << (1 << i)))};
  end
  assign total = {1'b0, normal_major, major[M-1:0], 3'b0}
      + ({1'b0, aligned} ^ {(W + 1) {subtract}}) + {{W{1'b0}}, subtract};

  wire full_major = &major[E+M-1:M];
  wire full_minor = &minor[E+M-1:M];
  wire nan = full_major & ((|major[M-1:0]) | (full_minor & subtract));
  assign kind = {nan, full_major, subtract, major[E+M]};
endmodule
