module m(input [11:0] a, input [11:0] b, output [23:0] p);
`ifdef SYNTHESIS
assign p = a*b;
`else
assign p = b*a;
`endif
endmodule
