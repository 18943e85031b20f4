module m(input [0:3] a, input [7:4] b, output [0:7] p);
assign p = a * b;
endmodule
