module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire [399:0] n;
assign n[7:0] = b[0] ? a : 8'd0;
assign n[207:200] = n[7:0] + (b[1] ? a << 1 : 8'd0);
assign n[307:300] = n[207:200] + (b[2] ? a << 2 : 8'd0);
assign n[399:392] = n[307:300] + (b[3] ? a << 3 : 8'd0);
assign p = n[399:392];
endmodule
