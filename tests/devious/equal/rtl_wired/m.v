module m(input [3:0] a, input [3:0] b, output [7:0] p);
wor [7:0] q;
supply0 low;
supply1 high;
assign q = a * b;
assign q = {8{low}};
assign p = high ? q : 8'd1;
endmodule
