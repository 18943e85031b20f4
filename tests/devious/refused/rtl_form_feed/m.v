module m(input [3:0] a, input [3:0] b, output [7:0] p);
// pageassign p = 0;
assign p = a * b;
endmodule
