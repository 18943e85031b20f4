// Exact unsigned multiplier: the reference that every approximate design is compared with.
module exact #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  assign p = a * b;
endmodule
