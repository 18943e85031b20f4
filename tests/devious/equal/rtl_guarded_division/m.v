module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [3:0] d = b == 0 ? 4'd1 : b;
wire [3:0] q = a / d, r = a % d;
assign p = (b == 0) ? 8'd0 : q * b + r + a * (b - 4'd1);
endmodule
