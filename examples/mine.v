// Bring your own: the RTL of mine.c.
module mine (
    input  [ 7:0] A,
    input  [ 7:0] B,
    output [15:0] O
);
  assign O = A * {B[7:1], 1'b0};
endmodule
