// Dadda tree multiplier (Dadda, 1965): the columns of partial products are reduced to 9, 6, 4, 3,
// then 2 bits by as few full and half adders as will do; the two rows that stay are added.
//
// A column passes on as many carries as it takes bits away from its neighbour, which gives their
// number in closed form. Column j has j + 1 bits on the right of the array and LEFT = 2N - 1 - j on
// its left. From at most FROM bits to at most TO, it passes on
//     max(0, min(j + 1, FROM, LEFT + 1) - TO)
// carries. Once reduced to FROM it has FROM bits up to where the array had FROM - 1.
//
// Every bit is a net of its own: vectors of a column's bits make Icarus several times slower.
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
        localparam integer UNREDUCED = j + 1 < LEFT ? j + 1 : LEFT;
        localparam integer REDUCED = LEFT >= FROM - 1 ? FROM : LEFT;
        localparam integer HEIGHT = FROM == N ? UNREDUCED : j + 1 < REDUCED ? j + 1 : REDUCED;
        // Its right neighbour has LEFT + 1; column 0 has none.
        localparam integer RISE = j < FROM ? j : FROM;
        localparam integer NEXT = RISE < LEFT + 2 ? RISE : LEFT + 2;
        localparam integer ARRIVING = NEXT > TO ? NEXT - TO : 0;
        // Full adders take three bits, a last half adder two, so that TO are left.
        localparam integer EXCESS = HEIGHT + ARRIVING > TO ? HEIGHT + ARRIVING - TO : 0;
        localparam integer ADDERS = (EXCESS + 1) / 2;
        localparam integer TAKEN = EXCESS + ADDERS;
        localparam integer SUMS = HEIGHT - TAKEN;  // what stays: bits not taken, sums, carries
        localparam integer CARRIES = SUMS + ADDERS;

        for (i = 0; i < HEIGHT; i = i + 1) begin : dot
          wire x;
          if (s > 0) assign x = stage[s-1].column[j].kept[i].x;
          else if (j < N) assign x = a[j-i] & b[i];
          else assign x = a[N-1-i] & b[j-N+1+i];
        end
        for (i = 0; i < ADDERS; i = i + 1) begin : adder
          wire sum, carry;
          wire x = dot[3*i].x, y = dot[3*i+1].x;
          if (i < EXCESS / 2) begin : full
            wire z = dot[3*i+2].x;
            assign sum = x ^ y ^ z;
            assign carry = x & y | z & (x | y);
          end else begin : half
            assign sum = x ^ y;
            assign carry = x & y;
          end
        end
        for (i = 0; i < CARRIES + ARRIVING; i = i + 1) begin : kept
          wire x;
          if (i < SUMS) assign x = dot[TAKEN+i].x;
          else if (i < CARRIES) assign x = adder[i-SUMS].sum;
          else assign x = stage[s].column[j-1].adder[i-CARRIES].carry;
        end

        if (s == STAGES - 1) begin : row
          if (CARRIES + ARRIVING > 0) assign first[j] = kept[0].x;
          else assign first[j] = 1'b0;
          if (CARRIES + ARRIVING > 1) assign second[j] = kept[1].x;
          else assign second[j] = 1'b0;
        end
      end
    end
  endgenerate
  assign p = first + second;
endmodule
