module m(input signed [7:0] a, input [7:0] b, output signed [15:0] p);
assign p = a * b;
endmodule
