module m(input [3:0] a, input [3:0] b, output [7:0] p);
tri [7:0] q;
assign q = a[0] ? a * b : 8'bz;
assign q = a[0] ? 8'bz : b * a;
assign p = q;
endmodule
