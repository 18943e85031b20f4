module m(p, b, a);
  output [7:0] p;
  input [3:0] a, b;
  reg [7:0] p;
  always @(a, b) p <= a * b;
endmodule
