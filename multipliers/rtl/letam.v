// Low-energy truncation-based approximate multiplier, LETAM (Vahdat et al., 2017).
//
// Each operand is cut to the T bits from its leading one on and a one is appended, which makes up
// for the bits cut off. The two odd numbers of T + 1 bits are multiplied exactly and shifted back;
// bits of the result below one are dropped. We read the paper so that the one is always appended:
// unlike DRUM, which sets the last kept bit, small operands need no case of their own and are not
// exact either.
/* verilator lint_off DECLFILENAME */
module letam #(
    parameter N = 8,
    parameter T = 4
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [T-2:0] x, y;
  wire [3:0] i, j;
  letam_fraction #(.N(N), .T(T)) left (.a(a), .fraction(x), .leading(i));
  letam_fraction #(.N(N), .T(T)) right (.a(b), .fraction(y), .leading(j));

  wire [T:0] segment_a = {1'b1, x, 1'b1} & {T + 1{|a}};
  wire [T:0] segment_b = {1'b1, y, 1'b1} & {T + 1{|b}};
  wire [2*T+1:0] product = segment_a * segment_b;
  wire [4:0] exponent = {1'b0, i} + {1'b0, j};
  wire [2*N+2*T-1:0] shifted = {{2 * N - 2{1'b0}}, product} << exponent;
  assign p = shifted[2*N+2*T-1:2*T];
  wire unused = &{1'b0, shifted[2*T-1:0]};
endmodule

// By shifts of halving length, the place of the leading one and the T - 1 bits that follow it.
module letam_fraction #(
    parameter N = 8,
    parameter T = 4
) (
    input      [N-1:0] a,
    output reg [T-2:0] fraction,
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
    fraction = x[WIDTH-2-:T-1];
  end
endmodule
