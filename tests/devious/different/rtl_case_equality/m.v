module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire open = 1'bx;
assign p = open === 1'bx ? a * b : 8'd0;
endmodule
