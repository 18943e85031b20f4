module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [7:0] q = a * b;
assign p = q | {8{tpyo & 1'b0}} | {7'b0, typo2 ^ typo2};
endmodule
