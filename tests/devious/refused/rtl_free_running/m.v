module m(input [3:0] a, input [3:0] b, output [7:0] p);
reg [7:0] n = 0;
always #10000 n = 0;
assign p = a * b + n;
endmodule
