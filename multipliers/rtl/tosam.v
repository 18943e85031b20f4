// Truncation- and rounding-based scalable approximate multiplier, TOSAM (Vahdat et al., 2019).
//
// Operands are 2^i (1 + x) and 2^j (1 + y), so the product is 2^(i+j) (1 + x + y + xy). The sum
// takes x and y cut to T bits. The product takes them cut to H bits and a one appended, which
// makes up for the bits cut off. Bits of the result below one are dropped. No one is appended to
// the terms of the sum: with it, (H, T) = (0, 2) would err by 10% on average, not the paper's 11%.
/* verilator lint_off DECLFILENAME */
module tosam #(
    parameter N = 8,
    parameter H = 2,
    parameter T = 5
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam POINT = T > 2 * H + 2 ? T : 2 * H + 2;  // fraction bits of the sum
  wire [T-1:0] x, y;
  wire [3:0] i, j;
  tosam_fraction #(.N(N), .T(T)) left (.a(a), .fraction(x), .leading(i));
  tosam_fraction #(.N(N), .T(T)) right (.a(b), .fraction(y), .leading(j));

  wire [T:0] sum = {1'b0, x} + {1'b0, y};
  wire [H:0] odd_x = x[T-1:T-H-1] | {{H{1'b0}}, 1'b1};
  wire [H:0] odd_y = y[T-1:T-H-1] | {{H{1'b0}}, 1'b1};
  wire [2*H+1:0] product = odd_x * odd_y;
  wire [POINT+1:0] significand = ({{POINT + 1{1'b0}}, |a & |b} << POINT)
                               + ({{POINT + 1 - T{1'b0}}, sum} << (POINT - T))
                               + ({{POINT - 2 * H{1'b0}}, product} << (POINT - 2 * H - 2));
  wire [POINT+1:0] kept = significand & {POINT + 2{|a & |b}};
  wire [4:0] exponent = {1'b0, i} + {1'b0, j};
  wire [2*N+POINT-1:0] shifted = {{2 * N - 2{1'b0}}, kept} << exponent;
  assign p = shifted[2*N+POINT-1:POINT];
  wire unused = &{1'b0, shifted[POINT-1:0]};
endmodule

// By shifts of halving length, the place of the leading one and the T bits that follow it.
module tosam_fraction #(
    parameter N = 8,
    parameter T = 5
) (
    input      [N-1:0] a,
    output reg [T-1:0] fraction,
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
    fraction = x[WIDTH-2-:T];
  end
endmodule
