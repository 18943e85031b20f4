module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire signed [3:0] q = $signed(a) / ($signed(b) == 0 ? 4'sd1 : $signed(b));
assign p = q;
endmodule
