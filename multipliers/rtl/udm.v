// Underdesigned multiplier, UDM (Kulkarni, Gupta and Ercegovac, 2011).
//
// Operands are cut into 2-bit digits (a zero completes an odd N). A digit product takes 3 bits
// instead of 4, because 3 x 3 counts as 7 = 111:
//     {a1 b1, a1 b0 | a0 b1, a0 b0}.
// Digit products are added exactly. Here a row of them, one digit of a with all digits of b, is
// formed at once: `low` holds bits 0 and 1 of each, `high` bit 2.
module udm #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam DIGITS = (N + 1) / 2;
  wire [N:0] digits_a = {1'b0, a};
  wire [N:0] digits_b = {1'b0, b};

  genvar i, j;
  generate
    for (i = 0; i < DIGITS; i = i + 1) begin : row
      wire a0 = digits_a[2*i];
      wire a1 = digits_a[2*i+1];
      wire [2*DIGITS-1:0] low;
      wire [2*DIGITS-1:0] high;
      for (j = 0; j < DIGITS; j = j + 1) begin : digit
        wire b0 = digits_b[2*j];
        wire b1 = digits_b[2*j+1];
        assign low[2*j+:2]  = {a1 & b0 | a0 & b1, a0 & b0};
        assign high[2*j+:2] = {1'b0, a1 & b1};
      end

      wire [2*N-1:0] digits = {{2 * N - 2 * DIGITS{1'b0}}, low} << 2 * i;
      wire [2*N-1:0] fours = {{2 * N - 2 * DIGITS{1'b0}}, high} << 2 * i + 2;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = digits + fours;
      else assign sum = row[i-1].sum + digits + fours;
    end
  endgenerate
  assign p = row[DIGITS-1].sum;
endmodule
