// One term of a sum, shifted to the largest exponent and cut to KEEP fraction bits.
//
// The significand has IN bits, FRACTION of them behind the point. With DOWN = 0 its magnitude is
// cut toward zero, and OUT = KEEP + IN - FRACTION; with DOWN = 1 the term leaves in two's
// complement, one bit wider, cut toward minus infinity. With JAM = 1 the last bit says, too,
// whether something was cut: enough of the exact term to round a sum of two.
module sum_align #(
    parameter X = 9,
    parameter IN = 8,
    parameter FRACTION = 6,
    parameter KEEP = 13,
    parameter OUT = 15,
    parameter DOWN = 0,
    parameter JAM = 0
) (
    input  [  X-1:0] largest,
    input  [  X-1:0] exponent,
    input            present,
    input            negative,
    input  [ IN-1:0] significand,
    output [OUT-1:0] aligned
);
  localparam LEVELS = OUT > 127 ? 8 : OUT > 63 ? 7 : OUT > 31 ? 6 : OUT > 15 ? 5 : OUT > 7 ? 4 : 3;
  localparam UP = KEEP > FRACTION ? KEEP - FRACTION : 0;
  localparam DROP = FRACTION > KEEP ? FRACTION - KEEP : 0;
  localparam W = IN + UP + DOWN;  // before bits are dropped

  wire [X+LEVELS-1:0] gap = {{LEVELS{1'b0}}, largest - exponent};
  wire beyond = |gap[X+LEVELS-1:LEVELS];
  wire [IN-1:0] own = significand & {IN{present}};
  wire invert = (DOWN != 0) & negative & (|own);
  wire [W-1:0] wide = own;
  wire [W-1:0] placed = ((wide ^ {W{invert}}) + {{(W - 1) {1'b0}}, invert}) << UP;

  reg [OUT-1:0] shifted;
  integer i;
  always @* begin : shift
    shifted = placed[W-1:DROP];
    for (i = 0; i < LEVELS; i = i + 1)
      if (gap[i])
        shifted = (shifted >> (1 << i)) | ({OUT{invert}} & ~({OUT{1'b1}} >> (1 << i)))
            | {{(OUT - 1) {1'b0}}, (JAM != 0) & (|(shifted & ~({OUT{1'b1}} << (1 << i))))};
    if (beyond) shifted = {OUT{invert}} | {{(OUT - 1) {1'b0}}, (JAM != 0) & (|own)};
  end
  assign aligned = shifted;
endmodule
