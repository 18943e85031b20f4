// Two's complement multiplier around an unsigned core that multiplies the magnitudes.
module int_multiply #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [  N-1:0] magnitude_a,
    output [  N-1:0] magnitude_b,
    input  [2*N-1:0] magnitude,
    output [2*N-1:0] p
);
  assign magnitude_a = a[N-1] ? ~a + 1'b1 : a;
  assign magnitude_b = b[N-1] ? ~b + 1'b1 : b;
  assign p = (a[N-1] ^ b[N-1]) ? ~magnitude + 1'b1 : magnitude;
endmodule
