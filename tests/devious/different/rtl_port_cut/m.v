module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [3:0] q;
inner u(.a(a), .b(b), .p(q));
assign p = q;
endmodule
module inner(input [3:0] a, b, output [7:0] p);
assign p = a * b;
endmodule
