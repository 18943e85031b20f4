module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
reg [1:0] t;
always @* begin
  (* full_case *) case (a[1:0])
    2'd0: t = 0;
    2'd1: t = 1;
    2'd2: t = 2;
  endcase
  p = a[1:0] == 3 ? a * b + (t == 3) : a * b;
end
endmodule
