// Second half of an adder: what `fp_add_align` gives, normalised and rounded once to float(E, R).
module fp_add_round #(
    parameter E = 8,
    parameter M = 23,
    parameter R = M
) (
    input  [M+4:0] total,
    input  [E-1:0] exponent,
    input  [  3:0] kind,
    output [E+R:0] p
);
  localparam W = M + 4;
  localparam LEVELS = W > 30 ? 6 : W > 14 ? 5 : W > 6 ? 4 : 3;
  localparam SPAN = 1 << LEVELS;
  localparam [E+R:0] QUIET_NAN = {{(E + 1) {1'b1}}, {R{1'b0}}} >> 1;
  wire nan = kind[3], full_major = kind[2], subtract = kind[1], negative = kind[0];

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

  wire sign = negative & ~(subtract & ~rest[0]);
  wire [E+R:0] infinity = {sign, {E{1'b1}}, {R{1'b0}}};

  assign p = nan ? QUIET_NAN : (full_major | overflow) ? infinity : {sign, rounded};
endmodule
