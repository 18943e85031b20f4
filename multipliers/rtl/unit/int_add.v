// Accumulator of integer products: a two's complement sum modulo 2^A.
module int_add #(
    parameter A = 32,
    parameter B = 16
) (
    input  [A-1:0] a,
    input  [B-1:0] b,
    output [A-1:0] p
);
  assign p = a + {{(A - B + 1) {b[B-1]}}, b[B-2:0]};
endmodule
