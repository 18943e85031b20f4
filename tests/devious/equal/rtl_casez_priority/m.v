module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
reg [7:0] q;
always @* begin
  casez (a)
    4'b1???: q = {1'b0, b, 3'b0} + a[2:0] * b;
    4'b01??: q = {2'b0, b, 2'b0} + a[1:0] * b;
    4'b001?: q = {3'b0, b, 1'b0} + a[0] * b;
    4'b0001: q = b;
    default: q = 0;
  endcase
  p = q;
end
endmodule
