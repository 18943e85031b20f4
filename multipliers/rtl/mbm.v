// Minimally biased multiplier, MBM (Saadat, Bokhari and Parameswaran, 2018), as in ApproxTrain.
module mbm #(
    parameter M = 7
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  localparam [M+1:0] ONE = 1 << M;
  localparam [M+1:0] CORRECTION = M < 5 ? 0 : 5 * ONE / 64;
  localparam [M+1:0] CARRY_CORRECTION = M < 5 ? 0 : 5 * ONE / 128;

  wire [M:0] sum = {1'b0, x[M-1:1], 1'b1} + {1'b0, y[M-1:1], 1'b1};
  wire carry = sum[M];
  wire [M+1:0] unbiased = {1'b0, sum} + (carry ? CARRY_CORRECTION : CORRECTION);
  wire [M:0] renormalised = {1'b1, 1'b0, unbiased[M-1:1]};
  assign p = carry ? (unbiased[M+1] ? sum : unbiased[M:0])
           : unbiased[M] ? renormalised
           : unbiased[M:0];
endmodule
