module m(input clk, input [3:0] a, input [3:0] b, output [7:0] p);
reg [7:0] stage [0:2];
integer i;
always @(posedge clk) begin
  stage[0] <= a * b;
  for (i = 1; i < 3; i = i + 1) stage[i] <= stage[i-1];
end
assign p = stage[2];
endmodule
