// Signed dynamic range unbiased multiplier, DRUM (Hashemi, Bahar and Reda, 2015).
//
// The magnitudes are multiplied as by the unsigned design: cut to the K bits from the leading one on,
// the lowest of them set. The product gets its sign back. Both conversions are exact.
module drum_signed #(
    parameter N = 8,
    parameter K = 4
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [K-1:0] segment_a, segment_b;
  wire [4:0] cut_a, cut_b;
  drum_signed_segment #(.N(N), .K(K)) left (.a(a), .segment(segment_a), .cut(cut_a));
  drum_signed_segment #(.N(N), .K(K)) right (.a(b), .segment(segment_b), .cut(cut_b));

  wire [2*K-1:0] product = segment_a * segment_b;
  wire [5:0] cut = {1'b0, cut_a} + {1'b0, cut_b};
  wire [2*N-1:0] magnitude = {{2 * N - 2 * K{1'b0}}, product} << cut;
  wire negative = a[N-1] ^ b[N-1];
  assign p = (magnitude ^ {2 * N{negative}}) + {{2 * N - 1{1'b0}}, negative};
endmodule

// Of the magnitude, the K bits from the leading one on, and how many bits lie below them.
module drum_signed_segment #(
    parameter N = 8,
    parameter K = 4
) (
    input      [N-1:0] a,
    output reg [K-1:0] segment,
    output reg [  4:0] cut
);
  wire [N-1:0] magnitude = (a ^ {N{a[N-1]}}) + {{N - 1{1'b0}}, a[N-1]};
  integer i;
  always @* begin
    segment = magnitude[K-1:0];
    cut = 0;
    for (i = 1; i <= N - K; i = i + 1)
      if (magnitude[i+K-1]) begin
        segment = {magnitude[i+1+:K-1], 1'b1};
        cut = i[4:0];
      end
  end
endmodule
