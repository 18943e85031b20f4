// Dadda tree with approximate 4:2 compressors (Dadda, 1965; Yang, Han and Lombardi, 2015).
//
// The C least-significant columns of partial products shrink to 8, 4, then 2 dots by counters of
// up to four dots that give {carry, sum} = min(dots set, 3). This is a half adder for two dots, a
// full adder for three, and for four the compressor ACCI1, wrong only if all are set. As in a
// Dadda tree, a column is reduced no further than its height, with the carries that arrive from
// the right, demands. What stays, and the columns above, are added exactly.
//
// A column is a queue: counters take its oldest dots, which lie in the low bits; sums and then
// arriving carries are appended. Widths suit N <= 16.
module dadda42 #(
    parameter integer N = 8,
    parameter integer C = 12
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam integer STAGES = 3;

  // For each column and stage, {carries passed on, dots at the start}: found once for all columns.
  function [10*STAGES*C-1:0] schedule(input integer columns);
    reg [5*STAGES-1:0] carries;
    integer column, stage, height, excess;
    begin
      carries = 0;
      schedule = 0;
      for (column = 0; column < columns; column = column + 1) begin
        height = column < N ? column + 1 : 2 * N - 1 - column;
        for (stage = 0; stage < STAGES; stage = stage + 1) begin
          schedule[10*(STAGES*column+stage)+:5] = height[4:0];
          height = height + {27'b0, carries[5*stage+:5]};
          excess = height > (8 >> stage) ? height - (8 >> stage) : 0;
          height = height - excess;
          excess = (excess + 2) / 3;
          schedule[10*(STAGES*column+stage)+5+:5] = excess[4:0];
          carries[5*stage+:5] = excess[4:0];
        end
      end
    end
  endfunction
  localparam [10*STAGES*C-1:0] FLOWS = schedule(C);

  wire [2*N-1:0] first, second;  // the two dots that stay in each column
  wire [4*STAGES-1:0] spilled;   // the carries into column C
  assign first[2*N-1:C] = 0;
  assign second[2*N-1:C] = 0;

  genvar s, j, i;
  generate
    for (s = 0; s < STAGES; s = s + 1) begin : stage
      for (j = 0; j < C; j = j + 1) begin : column
        localparam [9:0] FLOW = FLOWS[10*(STAGES*j+s)+:10];
        localparam [9:0] RIGHT = j > 0 ? FLOWS[10*(STAGES*(j>0?j-1:0)+s)+:10] : 10'd0;
        localparam integer FIRST_ROW = j < N ? 0 : j - N + 1;
        localparam integer HEIGHT = {27'b0, FLOW[4:0]};
        localparam integer ARRIVING = {27'b0, RIGHT[9:5]};
        localparam integer EXCESS = HEIGHT + ARRIVING > (8 >> s) ? HEIGHT + ARRIVING - (8 >> s) : 0;
        localparam integer SUMS = (EXCESS + 2) / 3;
        localparam integer UNTOUCHED = HEIGHT - EXCESS - SUMS;

        for (i = 0; i < HEIGHT; i = i + 1) begin : dot
          wire x;
          if (s > 0) assign x = stage[s-1].column[j].kept[i].x;
          else assign x = a[j-FIRST_ROW-i] & b[FIRST_ROW+i];
        end
        for (i = 0; i < SUMS; i = i + 1) begin : counter
          wire w = dot[4*i].x, x = dot[4*i+1].x;
          wire y, z, sum, carry;
          if (EXCESS > 3 * i + 1) assign y = dot[4*i+2].x;
          else assign y = 1'b0;
          if (EXCESS > 3 * i + 2) assign z = dot[4*i+3].x;
          else assign z = 1'b0;
          assign sum = ^{z, y, x, w} | &{z, y, x, w};
          assign carry = w & x | y & z | (w | x) & (y | z);
        end
        for (i = 0; i < UNTOUCHED + SUMS + ARRIVING; i = i + 1) begin : kept
          wire x;
          if (i < UNTOUCHED) assign x = dot[HEIGHT-UNTOUCHED+i].x;
          else if (i < UNTOUCHED + SUMS) assign x = counter[i-UNTOUCHED].sum;
          else assign x = stage[s].column[j-1].counter[i-UNTOUCHED-SUMS].carry;
        end
        if (s == STAGES - 1) begin : row
          if (UNTOUCHED + SUMS + ARRIVING > 0) assign first[j] = kept[0].x;
          else assign first[j] = 1'b0;
          if (UNTOUCHED + SUMS + ARRIVING > 1) assign second[j] = kept[1].x;
          else assign second[j] = 1'b0;
        end
      end
      for (i = 0; i < 4; i = i + 1) begin : spills
        if (i < FLOWS[10*(STAGES*(C-1)+s)+5+:5])
          assign spilled[4*s+i] = stage[s].column[C-1].counter[i].carry;
        else assign spilled[4*s+i] = 1'b0;
      end
    end

    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-1:C] sum;
      if (i == 0) assign sum = shifted[2*N-1:C];
      else assign sum = row[i-1].sum + shifted[2*N-1:C];
    end
    for (i = 0; i < 4 * STAGES; i = i + 1) begin : spill
      wire [2*N-1:C] sum;
      if (i == 0) assign sum = row[N-1].sum + {{2 * N - C - 1{1'b0}}, spilled[0]};
      else if (i % 4 < FLOWS[10*(STAGES*(C-1)+i/4)+5+:5])
        assign sum = spill[i-1].sum + {{2 * N - C - 1{1'b0}}, spilled[i]};
      else assign sum = spill[i-1].sum;
    end
  endgenerate
  assign p = {spill[4*STAGES-1].sum, {C{1'b0}}} + first + second;
endmodule

