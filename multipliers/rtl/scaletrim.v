// Linearised truncated multiplier with compensation, scaleTRIM (Farahmand et al., 2023).
//
// Operands are 2^i (1 + x) and 2^j (1 + y), so the product is 2^(i+j) (1 + x + y + xy). With x and
// y cut to H bits and s their sum, the significand is taken as 1 + s + s/4 + c: 5/4 is next to the
// least-squares slope 9/7 of the product over x + y. The constant c depends on which of 2^M equal
// segments of [0, 2) holds s. It is the mean, over all x and y that the cut puts there, of what
// the line leaves to be added, rounded to 2^(-H-2). In the first segment it is not let below 0:
// a product of normalised operands is at least 1. The paper fits each of its configurations; we
// keep one slope and fit the constants alone. Bits of the result below one are dropped.
//
// Byte k of the table is 2^(H+2) (1/4 + c) of segment k; the quarter makes it positive.
/* verilator lint_off DECLFILENAME */
module scaletrim #(
    parameter N = 8,
    parameter H = 4,
    parameter M = 2
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam [255:0] TABLES =
      H == 2 ? {64'h040e0c0a08080808, 64'h0e0a0808, 64'h0b08, 64'h09}
    : H == 3 ? {64'h1a16110d0a0a0b0c, 64'h170f0a0b, 64'h100a, 64'h0d}
    : H == 4 ? {64'h2e251c140f0f1012, 64'h27170f11, 64'h1b10, 64'h15}
    : H == 5 ? {64'h574432221a191c20, 64'h49291920, 64'h3020, 64'h25}
    :          {64'ha7825e3e2e2e3340, 64'h8b4b2e40, 64'h5b40, 64'h45};
  localparam [63:0] TABLE = TABLES[64*M+:64];

  wire [H-1:0] x, y;
  wire [3:0] i, j;
  scaletrim_fraction #(.N(N), .H(H)) left (.a(a), .fraction(x), .leading(i));
  scaletrim_fraction #(.N(N), .H(H)) right (.a(b), .fraction(y), .leading(j));

  wire [H:0] sum = {1'b0, x} + {1'b0, y};
  wire [H:0] segment = sum >> (H + 1 - M);
  wire [63:0] constants = TABLE >> {segment, 3'b000};
  wire [H+3:0] line = {4'b0011, {H{1'b0}}} + {1'b0, sum, 2'b00} + {3'b000, sum};
  wire [H+3:0] significand = line + {2'b00, constants[H+1:0]};
  wire [H+3:0] kept = significand & {H + 4{|a & |b}};
  wire [4:0] exponent = {1'b0, i} + {1'b0, j};
  wire [2*N+H+1:0] shifted = {{2 * N - 2{1'b0}}, kept} << exponent;
  assign p = shifted[2*N+H+1:H+2];
  wire unused = &{1'b0, shifted[H+1:0], constants[63:H+2]};
endmodule

// By shifts of halving length, the place of the leading one and the H bits that follow it.
module scaletrim_fraction #(
    parameter N = 8,
    parameter H = 4
) (
    input      [N-1:0] a,
    output reg [H-1:0] fraction,
    output reg [  3:0] leading
);
  localparam STEPS = N > 8 ? 4 : N > 4 ? 3 : 2;
  localparam WIDTH = 1 << STEPS;
  reg [WIDTH-1:0] x;
  integer i;
  always @* begin
    x = 0;
    x[N-1:0] = a;
    leading = 0;
    for (i = STEPS - 1; i >= 0; i = i - 1) begin
      leading[i] = x >> (WIDTH - (1 << i)) != 0;
      if (!leading[i]) x = x << (1 << i);
    end
    fraction = x[WIDTH-2-:H];
  end
endmodule
