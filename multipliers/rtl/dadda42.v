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
/* verilator lint_off DECLFILENAME */
/* verilator lint_off UNUSEDSIGNAL */
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
        wire [15:0] dots, left;
        wire [3:0] arriving, carries;

        if (s > 0) begin : later
          assign dots = stage[s-1].column[j].left;
        end else begin : first_stage
          for (i = 0; i < 16; i = i + 1) begin : dot
            if (i < FLOW[4:0]) assign dots[i] = a[j-FIRST_ROW-i] & b[FIRST_ROW+i];
            else assign dots[i] = 1'b0;
          end
        end
        if (j == 0) assign arriving = 0;
        else assign arriving = stage[s].column[j-1].carries;

        dadda42_column #(
            .HEIGHT({27'b0, FLOW[4:0]}),
            .ARRIVING({27'b0, RIGHT[9:5]}),
            .TARGET(8 >> s)
        ) reduction (
            .dots(dots),
            .arriving(arriving),
            .left(left),
            .carries(carries)
        );
        if (s == STAGES - 1) assign {second[j], first[j]} = left[1:0];
      end
      assign spilled[4*s+:4] = stage[s].column[C-1].carries;
    end

    for (i = 0; i < N; i = i + 1) begin : row
      wire [2*N-1:0] shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = first + second + {shifted[2*N-1:C], {C{1'b0}}};
      else assign sum = row[i-1].sum + {shifted[2*N-1:C], {C{1'b0}}};
    end
    for (i = 0; i < 4 * STAGES; i = i + 1) begin : spill
      wire [2*N-1:0] shifted = {{2 * N - 1{1'b0}}, spilled[i]} << C;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = row[N-1].sum + shifted;
      else assign sum = spill[i-1].sum + shifted;
    end
  endgenerate
  assign p = spill[4*STAGES-1].sum;
endmodule

// One column in one stage: takes dots away until, with the arriving carries, TARGET are left.
module dadda42_column #(
    parameter integer HEIGHT = 8,
    parameter integer ARRIVING = 0,
    parameter integer TARGET = 4
) (
    input  [15:0] dots,
    input  [ 3:0] arriving,
    output [15:0] left,
    output [ 3:0] carries
);
  localparam integer EXCESS = HEIGHT + ARRIVING > TARGET ? HEIGHT + ARRIVING - TARGET : 0;
  localparam integer SUMS = (EXCESS + 2) / 3;
  localparam integer UNTOUCHED = HEIGHT - EXCESS - SUMS;
  wire [3:0] sums;

  genvar k;
  generate
    for (k = 0; k < 4; k = k + 1) begin : counter
      localparam [3:0] TAKEN = EXCESS > 3 * k + 2 ? 4'b1111
                             : EXCESS > 3 * k + 1 ? 4'b0111
                             : EXCESS > 3 * k ? 4'b0011 : 4'b0000;
      wire [3:0] x = dots[4*k+:4] & TAKEN;
      assign sums[k] = ^x | &x;
      assign carries[k] = x[0] & x[1] | x[2] & x[3] | (x[0] | x[1]) & (x[2] | x[3]);
    end
  endgenerate
  assign left = dots >> (HEIGHT - UNTOUCHED) | {12'b0, sums} << UNTOUCHED
              | {12'b0, arriving} << (UNTOUCHED + SUMS);
endmodule
