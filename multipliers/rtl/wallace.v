// Wallace tree multiplier (Wallace, 1964): rows of partial products are reduced three at a time by
// carry-save adders until two are left, which are added.
module wallace #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam LEVELS = 5;  // 12, 8, 6, 4, 3, 2 rows
  genvar s, i;
  generate
    for (s = 0; s <= LEVELS; s = s + 1) begin : level
      // A level turns three rows into two, and two rows stay two.
      localparam R1 = N - N / 3;
      localparam R2 = R1 - R1 / 3;
      localparam R3 = R2 - R2 / 3;
      localparam R4 = R3 - R3 / 3;
      localparam BELOW = s == 1 ? N : s == 2 ? R1 : s == 3 ? R2 : s == 4 ? R3 : R4;
      localparam ADDERS = s == 0 ? 0 : BELOW / 3;
      localparam ROWS = s == 0 ? N : BELOW - ADDERS;

      for (i = 0; i < ROWS; i = i + 1) begin : row
        wire [2*N-1:0] bits;
        if (s == 0) begin : partial_product
          assign bits = {{N{1'b0}}, a & {N{b[i]}}} << i;
        end else if (i >= 2 * ADDERS) begin : left_over
          assign bits = level[s-1].row[i+ADDERS].bits;
        end else begin : carry_save
          wire [2*N-1:0] x = level[s-1].row[i/2*3].bits;
          wire [2*N-1:0] y = level[s-1].row[i/2*3+1].bits;
          wire [2*N-1:0] z = level[s-1].row[i/2*3+2].bits;
          if (i % 2 == 0) assign bits = x ^ y ^ z;
          else assign bits = (x & y | z & (x | y)) << 1;
        end
      end
    end
  endgenerate
  assign p = level[LEVELS].row[0].bits + level[LEVELS].row[1].bits;
endmodule
