module m(input [3:0] a, input [3:0] b, output [7:0] p);
`define MUL \
	a * \
	b
	assign p = `MUL; // done
endmodule
