module m(input [1:0] a, input [1:0] b, output reg [3:0] p);
always @* case ({a, b})
  4'd0: p = 4'd0;
  4'd1: p = 4'd0;
  4'd2: p = 4'd0;
  4'd3: p = 4'd0;
  4'd4: p = 4'd0;
  4'd5: p = 4'd1;
  4'd6: p = 4'd2;
  4'd7: p = 4'd3;
  4'd8: p = 4'd0;
  4'd9: p = 4'd2;
  4'd10: p = 4'd4;
  4'd11: p = 4'd6;
  4'd12: p = 4'd0;
  4'd13: p = 4'd3;
  4'd14: p = 4'd6;
  4'd15: p = 4'd9;
endcase
endmodule
