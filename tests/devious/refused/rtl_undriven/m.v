module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire u;
assign p = u ? a * b : b * a;
endmodule
