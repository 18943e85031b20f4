module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [7:0] #2 q = a * b;
assign #1 p = q;
endmodule
