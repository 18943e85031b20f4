module m(input [3:0] a, input [3:0] b, output [7:0] p);
assign p = 1'b1 ? a * b : 8'bz;
endmodule
