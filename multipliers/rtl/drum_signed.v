// Signed dynamic range unbiased multiplier: DRUM (Hashemi, Bahar and Reda, 2015) of magnitudes.
//
// S = 0 takes exact magnitudes and negates the product of operands of unlike sign; S = 1 inverts
// instead of negating, operands and product. Magnitudes are cut to the K bits from the leading one
// on, the lowest of which is set; 2^(N-1) is taken as it is.
module drum_signed #(
    parameter N = 8,
    parameter K = 4,
    parameter S = 0
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  wire [K-1:0] segment_a, segment_b;
  wire [4:0] cut_a, cut_b;
  drum_signed_segment #(.N(N), .K(K), .S(S)) left (.a(a), .segment(segment_a), .cut(cut_a));
  drum_signed_segment #(.N(N), .K(K), .S(S)) right (.a(b), .segment(segment_b), .cut(cut_b));

  wire [2*K-1:0] product = segment_a * segment_b;
  wire [5:0] cut = {1'b0, cut_a} + {1'b0, cut_b};
  wire negative = a[N-1] ^ b[N-1];
  generate
    if (S == 0) begin : exact  // the shift last: there are fewer bits to negate
      wire [2*K:0] signed_product = negative ? -{1'b0, product} : {1'b0, product};
      assign p = {{2 * N - 2 * K - 1{signed_product[2*K]}}, signed_product} << cut;
    end else begin : inverted
      assign p = ({{2 * N - 2 * K{1'b0}}, product} << cut) ^ {2 * N{negative}};
    end
  endgenerate
endmodule

// The K bits of the magnitude from its leading one on, and how many bits lie below them.
module drum_signed_segment #(
    parameter N = 8,
    parameter K = 4,
    parameter S = 0
) (
    input      [N-1:0] a,
    output reg [K-1:0] segment,
    output reg [  4:0] cut
);
  wire [N-1:0] inverted = a ^ {N{a[N-1]}};
  wire [N-1:0] magnitude = S == 0 ? inverted + {{N - 1{1'b0}}, a[N-1]} : inverted;
  integer i;
  always @* begin
    segment = magnitude[K-1:0];
    cut = 0;
    for (i = 1; i <= N - K; i = i + 1)
      if (magnitude[i+K-1]) begin
        segment = {magnitude[i+1+:K-1], i < N - K};
        cut = i[4:0];
      end
  end
endmodule
