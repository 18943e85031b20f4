module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [3:0] d = b == 0 ? 4'd1 : b;
assign p = (b == 0) ? 8'd0 : (a / d) * b + a % d + a * (b - 1);
endmodule
