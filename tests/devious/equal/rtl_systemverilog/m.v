module m(input logic [3:0] a, input logic [3:0] b, output logic [7:0] p);
logic [7:0] low, high;
always_comb begin
  unique case (b[1:0])
    2'b00: low = 0;
    2'b01: low = a;
    2'b10: low = a << 1;
    default: low = a + (a << 1);
  endcase
  high = (a * b[3:2]) << 2;
  p = low + high;
end
endmodule
