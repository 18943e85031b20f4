module m(input [3:0] a, input [3:0] b, output reg [4:0] p);
integer i;
reg [4:0] c;
always @* begin
  c[0] = 1'b0;
  for (i = 0; i < 4; i = i + 1) begin
    p[i] = a[i] ^ b[i] ^ c[i];
    c[i + 1] = a[i] & b[i] | c[i] & (a[i] | b[i]);
  end
  p[4] = c[4];
end
endmodule
