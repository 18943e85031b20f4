// Row-wise 4:2 reduction with approximate compressors (Venkatachalam and Ko, 2017).
//
// The C least-significant columns of the partial products are reduced in groups of four rows, each
// to a row of sums and a row of carries one column further left, until two rows are left; groups
// with dots in no more than two rows wait. Four dots of a column go through the compressor
//     carry = x0 & x1 | x2 & x3,   sum = (x0 ^ x1) | (x2 ^ x3) | x0 & x1 & x2 & x3,
// one too small for one dot of each pair and for all four. Two or three dots take half and full
// adders. What stays, and the columns above, are added exactly. Of the paper we take the
// compressor alone, not the propagate and generate signals that alter its partial products.
//
// Group g takes rows 4g to 4g + 3, and its results are rows 16 + 2g and 17 + 2g: 16 rows become
// 8, 4, then the last two. Suits N <= 16.
module venkatachalam #(
    parameter N = 8,
    parameter C = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  // For each row, which columns have a dot: found once, row by row.
  function [30*C-1:0] layout(input integer rows);
    integer k;
    reg [C-1:0] w, x, y, z;
    begin
      layout = 0;
      for (k = 0; k < rows; k = k + 1)
        layout[C*k+:C] = ({C{1'b1}} << k) & ~({C{1'b1}} << (k + N));
      for (k = 0; k < 7; k = k + 1) begin
        w = layout[4*C*k+:C];
        x = layout[4*C*k+C+:C];
        y = layout[4*C*k+2*C+:C];
        z = layout[4*C*k+3*C+:C];
        layout[C*(16+2*k)+:C] = y == 0 ? w : w | x | y | z;
        layout[C*(17+2*k)+:C] = y == 0 ? x : (w & x | y & z | (w | x) & (y | z)) << 1;
      end
    end
  endfunction
  localparam [30*C-1:0] PRESENT = layout(N);

  wire [C-1:0] rows[0:29]  /*verilator split_var*/;
  wire [6:0] spilled;  // the carries into column C

  genvar g, i, j;
  generate
    for (i = 0; i < 16; i = i + 1) begin : partial
      wire [2*N-1:0] shifted;
      wire [2*N-1:C] sum;
      if (i < N) assign shifted = {{N{1'b0}}, a & {N{b[i]}}} << i;
      else assign shifted = 0;
      assign rows[i] = shifted[C-1:0];
      if (i == 0) assign sum = shifted[2*N-1:C];
      else assign sum = partial[i-1].sum + shifted[2*N-1:C];
    end

    for (g = 0; g < 7; g = g + 1) begin : group
      localparam [4*C-1:0] HERE = PRESENT[4*C*g+:4*C];
      wire [C-1:0] w = rows[4*g], x = rows[4*g+1], y = rows[4*g+2], z = rows[4*g+3];
      if (HERE[2*C+:C] == 0) begin : waits
        assign rows[16+2*g] = w;
        assign rows[17+2*g] = x;
        assign spilled[g] = 1'b0;
        wire unused = &{1'b0, y, z};
      end else begin : reduces
        wire [C-1:0] sums, carries;
        for (j = 0; j < C; j = j + 1) begin : column
          venkatachalam_counter #(
              .APPROXIMATE(HERE[j] & HERE[C+j] & HERE[2*C+j] & HERE[3*C+j])
          ) counter (
              .dots ({z[j], y[j], x[j], w[j]}),
              .sum  (sums[j]),
              .carry(carries[j])
          );
        end
        assign rows[16+2*g] = sums;
        assign {spilled[g], rows[17+2*g]} = {carries, 1'b0};
      end
    end

    for (g = 0; g < 7; g = g + 1) begin : spill
      wire [2*N-1:C] sum;
      if (g == 0) assign sum = partial[N-1].sum + {{2 * N - C - 1{1'b0}}, spilled[0]};
      else assign sum = spill[g-1].sum + {{2 * N - C - 1{1'b0}}, spilled[g]};
    end
  endgenerate
  assign p = {spill[6].sum, {C{1'b0}}}
           + {{2 * N - C{1'b0}}, rows[28]} + {{2 * N - C{1'b0}}, rows[29]};
endmodule

module venkatachalam_counter #(
    parameter [0:0] APPROXIMATE = 1
) (
    input [3:0] dots,
    output sum,
    output carry
);
  wire left = dots[0] ^ dots[1], right = dots[2] ^ dots[3];
  wire pair = dots[0] & dots[1] | dots[2] & dots[3];
  assign sum = APPROXIMATE ? left | right | &dots : left ^ right;
  assign carry = APPROXIMATE ? pair : pair | (dots[0] | dots[1]) & (dots[2] | dots[3]);
endmodule
