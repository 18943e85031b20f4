module m(input [3:0] a, b, output [7:0] p); parameter K = 1; assign p = a*b+K; endmodule
module tb; m #(.K(0)) u(); endmodule
