// Radix-4 Booth multiplier with approximate encoders (Liu et al., 2017).
//
// A row holds digit times a, inverted if the digit is negative. In the V least-significant columns
// its bits are simplified: D = 1, encoder R4ABE1, takes 0 for 2a and -2a; D = 2, R4ABE2, takes a
// or its inverse, whatever the digit. Row signs and the ones of negation are exact and lie as in
// booth.v.
module booth_approx #(
    parameter N = 8,
    parameter V = 8,
    parameter D = 1
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam ROWS = (N + 1) / 2;
  localparam [2*N-1:0] SIGNS = {{2 * N - 2 * ROWS{1'b0}}, {ROWS{2'b01}}} << N;
  wire [2*ROWS:0] triples = {{2 * ROWS - N{b[N-1]}}, b, 1'b0};
  wire [ROWS-1:0] negative;

  genvar i;
  generate
    for (i = 0; i < ROWS; i = i + 1) begin : row
      localparam BITS = V < 2 * i ? 0 : V - 2 * i < N ? V - 2 * i : N;
      localparam [N:0] LOW = ~({N + 1{1'b1}} << BITS);
      wire [2:0] triple = triples[2*i+:3];
      wire one = triple[1] ^ triple[0];
      wire two = ~one & (triple[2] ^ triple[1]);
      assign negative[i] = triple[2] & ~(triple[1] & triple[0]);

      wire [N:0] signed_a = {a[N-1], a} ^ {N + 1{triple[2]}};
      wire [N:0] single = signed_a & {N + 1{one}};
      wire [N:0] exact = single | {signed_a[N-1:0], triple[2]} & {N + 1{two}};
      wire [N:0] approximate = D == 1 ? single : signed_a;
      wire [N:0] dots = (exact & ~LOW | approximate & LOW) ^ {1'b1, {N{1'b0}}};

      wire [2*N-1:0] sum;
      if (i == 0) begin : first
        wire [2*N-1:0] last_one = {{2 * N - 1{1'b0}}, negative[ROWS-1]} << 2 * ROWS - 2;
        assign sum = {{N - 1{1'b0}}, dots} + (-SIGNS | last_one);
      end else begin : next
        wire [N+2:0] line = {dots, 1'b0, negative[i-1]};
        assign sum = row[i-1].sum + ({{N - 3{1'b0}}, line} << 2 * i - 2);
      end
    end
  endgenerate
  assign p = row[ROWS-1].sum;
endmodule
