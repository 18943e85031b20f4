`define A
`define OFF `undef A
`OFF
module m(input [3:0] a, b, output [7:0] p);
`ifdef A
assign p = a * b;
`else
assign p = a * b + 1;
`endif
endmodule
