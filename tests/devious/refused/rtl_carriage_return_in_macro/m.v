module m(input [3:0] a, input [3:0] b, output [7:0] p);
`define M a * b \ + 1
assign p = `M;
endmodule
