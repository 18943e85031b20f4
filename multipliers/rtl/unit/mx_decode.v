// An element of OCP MX 1.0 and the scale of its block, as one float(8, M) number.
//
// The element has E exponent and M fraction bits, with subnormals; the scale is E8M0, a power of two
// with bias 127, of which the largest code is NaN. IEEE = 1: the largest exponent holds infinity and
// NaN (E5M2). FULL = 1: its last code alone is NaN (E4M3); else it holds numbers. What falls
// below the normal numbers of float(8, M) is zero, what is beyond them is infinite.
module mx_decode #(
    parameter E = 4,
    parameter M = 3,
    parameter IEEE = 0,
    parameter FULL = 1
) (
    input  [E+M:0] element,
    input  [  7:0] scale,
    output [8+M:0] number
);
  localparam signed [10:0] BIAS = (1 << (E - 1)) - 1;

  wire [E-1:0] field = element[E+M-1:M];
  wire [M-1:0] low = element[M-1:0];
  wire normal = |field;
  wire zero = ~normal & ~(|low);
  wire full = &field;
  wire nan = (&scale) | (((IEEE != 0) & full & (|low)) | ((FULL != 0) & full & (&low)));
  wire infinite = (IEEE != 0) & full;

  // A subnormal fraction moves left until its first one is the hidden bit.
  reg [M:0] significand;
  reg [10:0] left;
  integer i;
  always @* begin : normalise
    significand = {normal, low};
    left = 11'd0;
    for (i = 0; i < M; i = i + 1)
      if (~significand[M]) begin
        significand = significand << 1;
        left = left + 11'd1;
      end
  end

  wire [10:0] least = {{(11 - E) {1'b0}}, field[E-1:1], field[0] | ~normal};
  wire signed [10:0] exponent = $signed({3'd0, scale}) + $signed(least) - $signed(left) - BIAS;
  wire below = zero | exponent[10] | ~(|exponent);
  wire beyond = infinite | (~exponent[10] & (exponent >= 11'sd255));
  wire [7+M:0] size = below & ~infinite ? {(8 + M) {1'b0}}
      : beyond ? {8'hff, {M{1'b0}}}
      : {exponent[7:0], significand[M-1:0]};
  localparam [8+M:0] QUIET_NAN = {9'h1ff, {M{1'b0}}} >> 1;
  assign number = nan ? QUIET_NAN : {element[E+M], size};
endmodule
