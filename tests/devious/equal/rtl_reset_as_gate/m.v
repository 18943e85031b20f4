module m(input clk, input rst_n, input en, input [3:0] a, input [3:0] b, output [7:0] p);
assign p = rst_n & en ? a * b : 8'd0;
endmodule
