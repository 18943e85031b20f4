`timescale 1ns / 10ps
`default_nettype none
`celldefine
module m(input wire [3:0] a, input wire [3:0] b, output wire [7:0] p);
assign p = a * b;
endmodule
`endcelldefine
`default_nettype wire
