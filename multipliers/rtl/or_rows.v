// Multiplier with OR-compressed rows, after significance-driven logic compression (Qiqieh et al.,
// 2017), whose clusters of rows are ORed in their less significant columns only.
//
// The partial products are taken D at a time, from the least-significant on, and the bits of each
// column are ORed: one row, no carry. These rows are added exactly.
module or_rows #(
    parameter N = 8,
    parameter D = 2
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-1:0] cluster;
      wire [2*N-1:0] sum;  // of the clusters that are complete
      if (i % D == 0) assign cluster = shifted;
      else assign cluster = row[i-1].cluster | shifted;
      if (i == 0) assign sum = 0;
      else if (i % D == 0) assign sum = row[i-1].sum + row[i-1].cluster;
      else assign sum = row[i-1].sum;
    end
  endgenerate
  assign p = row[N-1].sum + row[N-1].cluster;
endmodule
