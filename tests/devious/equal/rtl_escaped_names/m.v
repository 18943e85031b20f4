module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [7:0] \sum[3] ;
wire \a+b ;
assign \a+b = 1'b1;
assign \sum[3] = a * b;
assign p = \a+b ? \sum[3] : 8'd0;
endmodule
