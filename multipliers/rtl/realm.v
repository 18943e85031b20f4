// Reduced-error logarithmic multiplier, REALM (Saadat et al., 2020), on significands.
//
// The S high bits of each fraction name one of 2^S x 2^S segments. Each has a factor, in units of
// 1/64, that is added to Mitchell's product 1 + x + y or, with a carry, 2 (x + y): there, half of
// it to the fraction. The factor is the integral over its segment of Mitchell's relative error,
// min(xy, (1-x)(1-y)) / ((1+x)(1+y)), over that of 1 / ((1+x)(1+y)), so that the mean relative
// error is 0, rounded to the 6 bits of the paper; all are below 1/4.
//
// The T low bits of the fractions are cut off, the lowest of those kept set to stand for them. The
// factor is rounded to the W = M - T bits left, a sum that it lifts to 2 is renormalised, and one
// that it would lift to 4 becomes the largest product below.
module realm #(
    parameter M = 7,
    parameter S = 2,
    parameter T = 0
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  localparam W = M - T;
  // Nibble j of row i, row 0 lowest: the factor of segment (i, j).
  localparam [63:0] OF_4 = 64'h1354_39C5_5C93_4531;
  localparam [255:0] OF_8 =
      256'h01122332_12457883_1469BC83_259CEB72_27BEC952_38CB9641_38875421_23322110;

  wire [2*S-1:0] segment = {x[M-1-:S], y[M-1-:S]};
  wire [3:0] factor;
  generate
    if (S == 2) assign factor = OF_4[{segment, 2'b0}+:4];
    else assign factor = OF_8[{segment, 2'b0}+:4];
  endgenerate

  localparam [W-1:0] LOWEST = T > 0 ? 1 : 0;
  wire [W:0] sum = {1'b0, x[M-1:T] | LOWEST} + {1'b0, y[M-1:T] | LOWEST};
  wire carry = sum[W];
  wire [W+6:0] doubled = {2'b0, carry ? {1'b0, factor} : {factor, 1'b0}, {W{1'b0}}};
  wire [W+6:0] rounded = doubled + 64;
  wire [W+1:0] corrected = {1'b0, sum} + {2'b0, rounded[W+6:7]};
  wire [W:0] renormalised = {1'b1, 1'b0, corrected[W-1:1]};
  assign p[M:T] = carry ? corrected[W:0] | {W + 1{corrected[W+1]}}
                : corrected[W] ? renormalised
                : corrected[W:0];
  wire unused = &{1'b0, rounded[6:0]};
  generate
    if (T > 0) begin : cut
      assign p[T-1:0] = {T{1'b0}};
      wire unused_low = &{1'b0, x[T:0], y[T:0]};
    end
  endgenerate
endmodule
