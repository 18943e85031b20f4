// Dynamic range unbiased multiplier, DRUM (Hashemi, Bahar and Reda, 2015).
//
// Each operand is cut to the K bits from its leading one on. The lowest of them is set, which
// makes up for the bits cut off: they are worth half a unit of that bit on average. Operands
// below 2^K are taken as they are. The two segments are multiplied exactly and shifted back.
module drum #(
    parameter N = 8,
    parameter K = 4
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [K-1:0] segment_a, segment_b;
  wire [4:0] cut_a, cut_b;
  drum_segment #(.N(N), .K(K)) left (.a(a), .segment(segment_a), .cut(cut_a));
  drum_segment #(.N(N), .K(K)) right (.a(b), .segment(segment_b), .cut(cut_b));

  wire [2*K-1:0] product = segment_a * segment_b;
  wire [5:0] cut = {1'b0, cut_a} + {1'b0, cut_b};
  assign p = {{2 * N - 2 * K{1'b0}}, product} << cut;
endmodule

// The K bits from the leading one on, and how many bits lie below them.
module drum_segment #(
    parameter N = 8,
    parameter K = 4
) (
    input      [N-1:0] a,
    output reg [K-1:0] segment,
    output reg [  4:0] cut
);
  integer i;
  always @* begin
    segment = a[K-1:0];
    cut = 0;
    for (i = 1; i <= N - K; i = i + 1)
      if (a[i+K-1]) begin
        segment = {a[i+1+:K-1], 1'b1};
        cut = i[4:0];
      end
  end
endmodule
