module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
integer i;
always @(a or b) begin
  p = 0;
  for (i = 0; i < 4; i = i + 1)
    if (b[i]) p = p + (a << i);
end
endmodule
