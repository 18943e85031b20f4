module m(input [3:0] a, input [3:0] b, output [7:0] p);
genvar i, j;
wire [7:0] s [0:6];
generate
  for (i = 0; i < 4; i = i + 1) begin : leaf
    assign s[i] = b[i] ? {4'b0, a} << i : 8'd0;
  end
  for (j = 0; j < 3; j = j + 1) begin : node
    assign s[4 + j] = s[2 * j] + s[2 * j + 1];
  end
endgenerate
assign p = s[6];
endmodule
