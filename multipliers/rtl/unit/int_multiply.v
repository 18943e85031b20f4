// Integer multiplier around an unsigned core that multiplies the magnitudes.
module int_multiply #(
    parameter N = 8,
    parameter M = N,
    parameter SIGNED_A = 1,
    parameter SIGNED_B = 1
) (
    input  [  N-1:0] a,
    input  [  M-1:0] b,
    output [  N-1:0] magnitude_a,
    output [  M-1:0] magnitude_b,
    input  [N+M-1:0] magnitude,
    output [N+M-1:0] p
);
  wire negative_a = SIGNED_A && a[N-1];
  wire negative_b = SIGNED_B && b[M-1];
  assign magnitude_a = negative_a ? ~a + 1'b1 : a;
  assign magnitude_b = negative_b ? ~b + 1'b1 : b;
  assign p = (negative_a ^ negative_b) ? ~magnitude + 1'b1 : magnitude;
endmodule
