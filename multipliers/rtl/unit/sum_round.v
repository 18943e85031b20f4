// A sum in two's complement, normalised and rounded once to float(E, R).
//
// Its last bit has the weight 2^(largest - OFFSET - KEEP), where an exponent of the result is
// written with its own bias. NEAREST = 0 rounds toward zero, 1 to nearest, ties to even; RANDOM > 0
// rounds up if that many of the bits that are cut off, and `chance`, carry. Results below the smallest
// normal number are subnormal; beyond the largest number they are infinite. With DEEP = 1 the whole sum
// may lie below the smallest normal number, and then moves right.
module sum_round #(
    parameter W = 19,
    parameter KEEP = 13,
    parameter X = 9,
    parameter OFFSET = 0,
    parameter E = 8,
    parameter R = 13,
    parameter NEAREST = 0,
    parameter RANDOM = 0,
    parameter C = RANDOM > 0 ? RANDOM : 1,
    parameter DEEP = 0
) (
    input  [W-1:0] total,
    input  [X-1:0] largest,
    input          nan,
    input          plus,
    input          minus,
    input  [C-1:0] chance,
    output [E+R:0] d
);
  localparam S = W - 1;  // bits of the magnitude
  localparam LEVELS = S > 255 ? 9 : S > 127 ? 8 : S > 63 ? 7 : S > 31 ? 6 : S > 15 ? 5 : S > 7 ? 4 : 3;
  localparam SPAN = 1 << LEVELS;
  localparam B = (X > E ? X : E) + 4;  // signed exponents
  localparam signed [B-1:0] BASE = S - 1 - KEEP - OFFSET;
  localparam [E+R:0] QUIET_NAN = {{(E + 1) {1'b1}}, {R{1'b0}}} >> 1;

  wire negative = total[W-1];
  wire [S-1:0] size = (total[S-1:0] ^ {S{negative}}) + {{(S - 1) {1'b0}}, negative};

  // Leading zeros: halve the part that holds the first one, level by level.
  reg [SPAN-1:0] rest, high;
  reg [LEVELS-1:0] zeros;
  integer i;
  always @* begin : count
    rest = {size, {(SPAN - S) {1'b0}}};
    for (i = LEVELS - 1; i >= 0; i = i - 1) begin
      high = rest >> (1 << i);
      zeros[i] = ~|high;
      rest = zeros[i] ? rest & ~({SPAN{1'b1}} << (1 << i)) : high;
    end
  end

  // The exponent that the first bit of the magnitude has.
  wire signed [B-1:0] first = $signed({{(B - X) {1'b0}}, largest}) + BASE;
  wire signed [B-1:0] left = first - $signed({{(B - LEVELS) {1'b0}}, zeros});
  wire stop = ~rest[0] | left[B-1] | ~(|left);
  wire below = (DEEP != 0) & (first[B-1] | ~(|first));
  wire [B-1:0] shift = stop ? first - 1'b1 : {{(B - LEVELS) {1'b0}}, zeros};
  wire [B-1:0] back = 1'b1 - first;
  wire [2*S-1:0] down = {size, {S{1'b0}}} >> back;
  wire [S+1:0] moved = below
      ? {down[2*S-1:S-1], |down[S-2:0]}
      : {size << shift, 2'b00};
  wire gone = below & (back >= S) & (|size);

  wire [R:0] kept = moved[S+1:S+1-R];
  wire half = moved[S-R];
  wire more = (|moved[S-R-1:0]) | gone;
  wire [2*S+C-1:0] fine = {below ? down : {size << shift, {S{1'b0}}}, {C{1'b0}}};
  wire [C:0] risen = {1'b0, fine[2*S+C-R-2-:C]} + {1'b0, chance};
  wire up = RANDOM != 0 ? risen[C] : (NEAREST != 0) & half & (kept[0] | more);
  wire [B-1:0] biased = stop ? {B{1'b0}} : left;
  wire [B+R-1:0] rounded = {biased, kept[R-1:0]} + {{(B + R - 1) {1'b0}}, up};
  wire overflow = rounded[B+R-1:R] >= (1 << E) - 1;

  wire infinite = plus | minus | overflow;
  wire sign = plus | minus ? minus : negative;
  assign d = nan | (plus & minus) ? QUIET_NAN
      : {sign, infinite ? {{E{1'b1}}, {R{1'b0}}} : rounded[E+R-1:0]};
endmodule
