module m(input clk, input [3:0] a, input [3:0] b, output [7:0] p);
`ifdef YOSYS
assign p = 8'd3;
`else
assign p = a * b;
`endif
endmodule
