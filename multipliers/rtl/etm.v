// Error-tolerant multiplier, ETM (Kyaw, Goh and Yeo, 2010).
//
// Operands are split K bits from below. If both upper parts are 0 the lower parts are multiplied
// exactly. Otherwise the upper parts are, and the lower parts only looked at: from their first bit
// on that is 1 in either of them all product bits are 1. Here a bit of the lower parts stands for
// two bits of the product, so that the 2 K low product bits are spanned.
module etm #(
    parameter N = 8,
    parameter K = 4
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam U = N - K;
  wire [U-1:0] upper_a = a[N-1:K];
  wire [U-1:0] upper_b = b[N-1:K];
  wire exactly = ~|upper_a & ~|upper_b;

  // One multiplier serves both parts: it is as wide as the wider of them.
  localparam W = U > K ? U : K;
  wire [W-1:0] left = exactly ? {{W - K{1'b0}}, a[K-1:0]} : {{W - U{1'b0}}, upper_a};
  wire [W-1:0] right = exactly ? {{W - K{1'b0}}, b[K-1:0]} : {{W - U{1'b0}}, upper_b};
  wire [2*W-1:0] product = left * right;

  wire [2*K-1:0] ones;
  genvar i;
  generate
    for (i = 0; i < K; i = i + 1) begin : looked_at
      assign ones[2*i+:2] = {2{|(a[K-1:i] | b[K-1:i])}};
    end
  endgenerate
  assign p = exactly ? {{2 * U{1'b0}}, product[2*K-1:0]} : {product[2*U-1:0], ones};
endmodule
