// Floating-point adder: IEEE 754, round to nearest, ties to even, with subnormals.
//
// Operands are float(E, M), the sum is the exact one rounded once to float(E, R), R <= M: so a
// narrow accumulator (R < M) takes wide products without rounding twice. NaN operands and
// infinity - infinity give the quiet NaN (sign 0, only the fraction's top bit set); x - x is +0.
module fp_add #(
    parameter E = 8,
    parameter M = 23,
    parameter R = M
) (
    input  [E+M:0] a,
    input  [E+M:0] b,
    output [E+R:0] p
);
  // Significand with two guard bits and a sticky one below; a sum has one more above.
  localparam W = M + 4;
  localparam LEVELS = W > 30 ? 6 : W > 14 ? 5 : W > 6 ? 4 : 3;
  localparam SPAN = 1 << LEVELS;
  localparam [E+R:0] QUIET_NAN = {{(E + 1) {1'b1}}, {R{1'b0}}} >> 1;

  wire swap = a[E+M-1:0] < b[E+M-1:0];
  wire [E+M:0] major = swap ? b : a;
  wire [E+M:0] minor = swap ? a : b;
  wire subtract = a[E+M] ^ b[E+M];
  wire normal_major = |major[E+M-1:M];
  wire normal_minor = |minor[E+M-1:M];
  // Subnormals have the exponent of the smallest normal numbers.
  wire [E-1:0] exponent = {major[E+M-1:M+1], major[M] | ~normal_major};
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
  wire [W:0] total = {1'b0, normal_major, major[M-1:0], 3'b0}
      + ({1'b0, aligned} ^ {(W + 1) {subtract}}) + {{W{1'b0}}, subtract};

  // Leading zeros: halve the part that holds the first one, level by level.
  reg [SPAN-1:0] rest, high;
  reg [LEVELS-1:0] zeros;
  always @* begin : count
    integer i;
    rest = {total, {(SPAN - W - 1) {1'b0}}};
    for (i = LEVELS - 1; i >= 0; i = i - 1) begin
      high = rest >> (1 << i);
      zeros[i] = ~|high;
      rest = zeros[i] ? rest & ~({SPAN{1'b1}} << (1 << i)) : high;
    end
  end

  // A subnormal sum keeps the exponent 1, which is written as 0.
  wire stop = ~rest[0] | ({{E{1'b0}}, zeros} > {{LEVELS{1'b0}}, exponent});
  wire [LEVELS+E-1:0] shift = stop ? {{LEVELS{1'b0}}, exponent} : {{E{1'b0}}, zeros};
  wire [W:0] sum = total << shift[LEVELS-1:0];
  wire [E-1:0] left = exponent - shift[E-1:0];
  wire [E-1:0] biased = left + {{(E - 1) {1'b0}}, sum[W]};

  wire half = sum[W-1-R];
  wire up = half & (sum[W-R] | (|sum[W-2-R:0]));
  wire [E+R-1:0] rounded = {biased, sum[W-1:W-R]} + {{(E + R - 1) {1'b0}}, up};
  wire overflow = (&biased) | (&rounded[E+R-1:R]);

  wire full_major = &major[E+M-1:M];
  wire full_minor = &minor[E+M-1:M];
  wire nan = full_major & ((|major[M-1:0]) | (full_minor & subtract));
  wire sign = major[E+M] & ~(subtract & ~rest[0]);
  wire [E+R:0] infinity = {sign, {E{1'b1}}, {R{1'b0}}};

  assign p = nan ? QUIET_NAN : (full_major | overflow) ? infinity : {sign, rounded};
endmodule
