module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
initial force p = 8'd0;
always @* p = a * b;
endmodule
