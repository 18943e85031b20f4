module m(input [3:0] a, input [3:0] b, output [7:0] p);
`ifdef SYNTHESIS
assign p = b * a;
`else
assign p = a * b;
`endif
endmodule
