// Broken-Booth multiplier (Farshchi, Abrishami and Fakhraie, 2013).
//
// The radix-4 Booth array of booth.v without its V least-significant columns. T = 0 keeps the
// carries that the ones of negation send into column V, which happens if all bits below are ones,
// T = 1 drops them.
module broken_booth #(
    parameter N = 8,
    parameter V = 6,
    parameter T = 0
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam ROWS = (N + 1) / 2;
  localparam [2*N-1:0] SIGNS = {{2 * N - 2 * ROWS{1'b0}}, {ROWS{2'b01}}} << N;
  wire [2*ROWS:0] triples = {{2 * ROWS - N{b[N-1]}}, b, 1'b0};

  genvar i;
  generate
    for (i = 0; i < ROWS; i = i + 1) begin : row
      localparam CUT = V > 2 * i ? V - 2 * i : 0;
      localparam [N-1:0] BELOW = ~({N{1'b1}} << CUT) >> 1;  // bits that all multiples lose
      wire [2:0] triple = triples[2*i+:3];
      wire one = triple[1] ^ triple[0];
      wire two = ~one & (triple[2] ^ triple[1]);
      wire [N:0] multiple = {a[N-1], a} & {N + 1{one}} | {a, 1'b0} & {N + 1{two}};

      wire negative = triple[2] & ~(triple[1] & triple[0]);
      wire carry;
      if (CUT == 0) assign carry = negative;
      else if (T == 0) assign carry = negative & ~(one & a[CUT-1]) & ~|(a & BELOW);
      else assign carry = 1'b0;

      wire [N-CUT:0] dots = multiple[N:CUT] ^ {~negative, {N - CUT{negative}}};
      wire [2*N-1:0] line = {{N + CUT - 1{1'b0}}, dots} << 2 * i + CUT;
      wire [2*N-1:0] broken = {{2 * N - 1{1'b0}}, carry} << 2 * i + CUT;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = line + broken - SIGNS;
      else assign sum = row[i-1].sum + line + broken;
    end
  endgenerate
  assign p = row[ROWS-1].sum;
endmodule
