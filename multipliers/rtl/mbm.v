// Minimally biased multiplier, MBM (Saadat, Bokhari and Parameswaran, 2018), as in ApproxTrain.
//
// Mitchell's product never exceeds the exact one. A constant makes up for the mean of what is
// missing: 5/64 if the fractions sum to less than 1; else 5/128, as much of a product that counts
// double. It is cut to M bits, and left out below M = 5. Fractions count as cut to M bits: their
// lowest bit is set to stand for the rest. A sum that the constant lifts to 2 is renormalised; one
// that it would lift to 4 stays as it is.
module mbm #(
    parameter M = 7
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  localparam [31:0] FIVE = 5 << M;
  localparam [M+1:0] CORRECTION = M < 5 ? {M + 2{1'b0}} : FIVE[M+7:6];
  localparam [M+1:0] CARRY_CORRECTION = M < 5 ? {M + 2{1'b0}} : FIVE[M+8:7];

  wire [M:0] sum = {1'b0, x[M-1:1], 1'b1} + {1'b0, y[M-1:1], 1'b1};
  wire carry = sum[M];
  wire [M+1:0] unbiased = {1'b0, sum} + (carry ? CARRY_CORRECTION : CORRECTION);
  wire [M:0] renormalised = {1'b1, 1'b0, unbiased[M-1:1]};
  assign p = carry ? (unbiased[M+1] ? sum : unbiased[M:0])
           : unbiased[M] ? renormalised
           : unbiased[M:0];
endmodule
