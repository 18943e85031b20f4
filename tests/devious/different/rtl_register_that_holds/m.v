module m(input clk, input [3:0] a, input [3:0] b, output [7:0] p);
reg on = 0;
always @(posedge clk) on <= on;
assign p = a * b + (on & a[0]);
endmodule
