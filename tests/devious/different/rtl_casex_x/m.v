module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
wire open = 1'bx;
always @* casex ({open, a[0]})
  2'b0?: p = a * b;
  default: p = 0;
endcase
endmodule
