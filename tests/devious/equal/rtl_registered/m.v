module m(input clk, input rst_n, input en, input [3:0] a, input [3:0] b, output reg [7:0] p);
reg [3:0] x, y;
always @(posedge clk or negedge rst_n)
  if (!rst_n) {x, y, p} <= #1 16'd0;
  else if (en) begin
    x <= #1 a;
    y <= #1 b;
    p <= #1 x * y;
  end
endmodule
