module m(input [3:0] a, input [3:0] b, output [7:0] p);
// see assign p = a * b;
assign p = a * b;
endmodule
