module m(input clk, input [3:0] a, input [3:0] b, output reg [7:0] p);
reg stuck;
always @(posedge clk) begin
  stuck <= stuck;
  if (stuck) p <= 8'd0; else p <= a * b;
end
endmodule
