module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
integer i;
reg [7:0] row [0:3];
always @* begin
  for (i = 0; i < 4; i = i + 1) row[i] = b[i] ? a << i : 8'd0;
  p = 0;
  for (i = 0; i < 4; i = i + 1) p = p + row[i];
end
endmodule
