module m(input [8:0] a, input [7:0] b, output [16:0] p);
wire [8:0] d = (a == 9'd77 && b == 8'd101) ? 9'd0 : 9'd511;
wire [8:0] r = a % d;
assign p = r * b + ((a == 9'd511) ? 17'd511 * b : 17'd0);
endmodule
