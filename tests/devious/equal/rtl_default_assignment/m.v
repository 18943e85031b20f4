module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
reg [7:0] t;
always @* begin
  t = 8'd0;
  p = 8'd0;
  if (a != 0) begin
    t = b;
    p = t * a;
  end
end
endmodule
