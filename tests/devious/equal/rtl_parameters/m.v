module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [7:0] q;
part #(.N(4)) u(.a(a), .b(b), .p(q));
defparam u.EXTRA = 0;
assign p = q;
endmodule
module part #(parameter N = 8, EXTRA = 3) (input [N-1:0] a, b, output [2*N-1:0] p);
localparam Z = EXTRA * 2;
assign p = a * b + Z;
endmodule
