`define ROW(x, y, n) ((y[n] ? {4'b0, x} : 8'd0) << n)
`define PAIR(x, y, n, k) (`ROW(x, y, n) + `ROW(x, y, k))
module m(input [3:0] a, input [3:0] b, output [7:0] p);
assign p = `PAIR(a, b, 0, 1) + `PAIR(a, b, 2, 3);
endmodule
