// Dadda tree multiplier (Dadda, 1965): the columns of partial products are reduced to 9, 6, 4, 3,
// then 2 bits by as few full and half adders as will do; the two rows that stay are added.
//
// A column passes on as many carries as it takes bits away from its neighbour, which gives their
// number in closed form. Column j has j + 1 bits on the right of the array and LEFT = 2N - 1 - j on
// its left. From at most FROM bits to at most TO, it passes on
//     max(0, min(j + 1, FROM, LEFT + 1) - TO)
// carries. Once reduced to FROM it has FROM bits up to where the array had FROM - 1.
module dadda #(
    parameter integer N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam integer STAGES = 5;
  wire [2*N-1:0] first, second;  // the two rows that stay

  genvar s, j, i;
  generate
    for (s = 0; s < STAGES; s = s + 1) begin : stage
      localparam integer TO = s == 0 ? 9 : s == 1 ? 6 : s == 2 ? 4 : s == 3 ? 3 : 2;
      localparam integer LAST = s == 0 ? N : s == 1 ? 9 : s == 2 ? 6 : s == 3 ? 4 : 3;
      localparam integer FROM = N < LAST ? N : LAST;

      for (j = 0; j < 2 * N; j = j + 1) begin : column
        localparam integer LEFT = 2 * N - 1 - j;
        localparam integer UNTOUCHED = j + 1 < LEFT ? j + 1 : LEFT;
        localparam integer REDUCED = LEFT >= FROM - 1 ? FROM : LEFT;
        localparam integer HEIGHT = FROM == N ? UNTOUCHED : j + 1 < REDUCED ? j + 1 : REDUCED;
        // Its right neighbour has LEFT + 1; column 0 has none.
        localparam integer RISE = j < FROM ? j : FROM;
        localparam integer NEXT = RISE < LEFT + 2 ? RISE : LEFT + 2;
        localparam integer ARRIVING = NEXT > TO ? NEXT - TO : 0;

        wire [12:0] dots, left, arriving, carries;
        for (i = 0; i < 13; i = i + 1) begin : dot
          if (i >= HEIGHT) assign dots[i] = 1'b0;
          else if (s > 0) assign dots[i] = stage[s-1].column[j].left[i];
          else if (j < N) assign dots[i] = a[j-i] & b[i];
          else assign dots[i] = a[N-1-i] & b[j-N+1+i];
        end
        if (j == 0) assign arriving = 0;
        else assign arriving = stage[s].column[j-1].carries;
        dadda_column #(
            .HEIGHT(HEIGHT),
            .ARRIVING(ARRIVING),
            .TO(TO)
        ) adders (
            .dots(dots),
            .arriving(arriving),
            .left(left),
            .carries(carries)
        );
        if (s == STAGES - 1) assign {second[j], first[j]} = left[1:0];
      end
    end
  endgenerate
  assign p = first + second;
endmodule

// One column in one stage: full adders take three dots, a last half adder two, so that with the
// arriving carries TO are left.
module dadda_column #(
    parameter integer HEIGHT = 8,
    parameter integer ARRIVING = 0,
    parameter integer TO = 6
) (
    input  [12:0] dots,
    input  [12:0] arriving,
    output [12:0] left,
    output [12:0] carries
);
  localparam integer EXCESS = HEIGHT + ARRIVING > TO ? HEIGHT + ARRIVING - TO : 0;
  localparam integer ADDERS = (EXCESS + 1) / 2;
  localparam integer TAKEN = EXCESS + ADDERS;
  wire [15:0] sums, outs;

  genvar k;
  generate
    for (k = 0; k < 16; k = k + 1) begin : adder
      if (k < EXCESS / 2) begin : full
        assign sums[k] = dots[3*k] ^ dots[3*k+1] ^ dots[3*k+2];
        assign outs[k] = dots[3*k] & dots[3*k+1] | dots[3*k+2] & (dots[3*k] | dots[3*k+1]);
      end else if (k < ADDERS) begin : half
        assign sums[k] = dots[3*k] ^ dots[3*k+1];
        assign outs[k] = dots[3*k] & dots[3*k+1];
      end else begin : none
        assign {sums[k], outs[k]} = 2'b00;
      end
    end
  endgenerate
  assign carries = outs[12:0];
  assign left = dots >> TAKEN | sums[12:0] << (HEIGHT - TAKEN)
              | arriving << (HEIGHT - TAKEN + ADDERS);
endmodule
