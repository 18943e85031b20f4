// Static segment multiplier, SSM (Narayanamoorthy et al., 2015).
//
// Each operand is cut to one of two fixed segments of S bits: the lower one if the bits above it
// are all zero, else the upper one, a[N-1:N-S]. The segments are multiplied exactly and shifted
// back. With S >= N/2 the two segments leave no gap.
module ssm #(
    parameter N = 8,
    parameter S = 5
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam CUT = N - S;
  wire upper_a = |a[N-1:S];
  wire upper_b = |b[N-1:S];
  wire [S-1:0] segment_a = upper_a ? a[N-1:CUT] : a[S-1:0];
  wire [S-1:0] segment_b = upper_b ? b[N-1:CUT] : b[S-1:0];
  wire [2*S-1:0] product = segment_a * segment_b;
  assign p = upper_a & upper_b ? {product, {2 * CUT{1'b0}}}
           : upper_a | upper_b ? {{CUT{1'b0}}, product, {CUT{1'b0}}}
           : {{2 * CUT{1'b0}}, product};
endmodule
