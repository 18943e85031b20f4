// Fixed-width multiplier with variable correction, VCT (King and Swartzlander, 1997).
//
// Of the partial products only the N + K most-significant columns are formed, and N bits of their
// sum are kept. The next lower column stands for all that is missing: its bits are added one
// column further up, at twice their weight. Ones in the formed columns below, but for the
// highest, make up for cutting the sum, which loses half a unit on average.
module fixed_width #(
    parameter N = 8,
    parameter K = 1
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam LOW = N - K;
  localparam [2*N-LOW-1:0] ONE = 1;
  localparam [2*N-LOW-1:0] ROUNDING = K > 1 ? (ONE << (K - 1)) - ONE : 0;

  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-LOW-1:0] formed = shifted[2*N-1:LOW];
      wire [2*N-LOW-1:0] correction = {{2 * N - LOW - 1{1'b0}}, shifted[LOW-1]};
      wire [2*N-LOW-1:0] sum;
      if (i == 0) assign sum = ROUNDING + formed + correction;
      else assign sum = row[i-1].sum + formed + correction;
    end
  endgenerate
  assign p = {row[N-1].sum[2*N-LOW-1:K], {N{1'b0}}};
endmodule
