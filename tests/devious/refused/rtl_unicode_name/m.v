module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [7:0] р = a * b;
assign p = р;
endmodule
