// Broken-array multiplier (Mahdiani et al., 2010) on Baugh and Wooley's two's complement array.
//
// In the rows above the horizontal break level H the bit of b counts as 0: what remains of such a
// row is the constant that Baugh and Wooley's array puts in place of a sign. Of the other rows
// the cells to the right of the vertical break level V are omitted (i + j < V <= N - 1: no sign
// bit is there).
module broken_array_signed #(
    parameter N = 8,
    parameter H = 2,
    parameter V = 6
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam [2*N-1:0] ONE = 1;
  localparam [2*N-1:0] CONSTANTS = ONE << N | ONE << (2 * N - 1);
  localparam [N-1:0] SIGN = {1'b1, {N - 1{1'b0}}};
  localparam [2*N-1:0] FORMED = {2 * N{1'b1}} << V;

  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire bit_b = i < H ? 1'b0 : b[i];
      wire [N-1:0] cells = (a & {N{bit_b}}) ^ (i == N - 1 ? ~SIGN : SIGN);
      wire [2*N-1:0] shifted = {{N{1'b0}}, cells} << i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = CONSTANTS + (shifted & FORMED);
      else assign sum = row[i-1].sum + (shifted & FORMED);
    end
  endgenerate
  assign p = row[N-1].sum;
endmodule
