module m(input [11:0] a, input [11:0] b, output [23:0] p);
assign p = a*b;
`ifdef FORMAL
 initial assert(0);
`endif
`ifndef SYNTHESIS
 reg unused; initial unused = 0;
`endif
endmodule
