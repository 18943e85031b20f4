// Broken-array multiplier, BAM (Mahdiani et al., 2010).
//
// The array has a cell for each partial-product bit a[j] b[i], in row i and column i + j. Cells
// above the horizontal break level H (rows i < H) and to the right of the vertical break level V
// (columns i + j < V) are omitted.
module broken_array #(
    parameter N = 8,
    parameter H = 2,
    parameter V = 6
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam [2*N-1:0] KEPT = {2 * N{1'b1}} << V;

  genvar i;
  generate
    for (i = H; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-1:0] sum;
      if (i == H) assign sum = shifted & KEPT;
      else assign sum = row[i-1].sum + (shifted & KEPT);
    end
  endgenerate
  assign p = row[N-1].sum;
endmodule
