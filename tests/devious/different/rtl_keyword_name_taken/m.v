module m(input [3:0] a, b, output [7:0] p); wire [7:0] int, int_;
assign int = a*b; assign int_ = a*b+1; assign p = int_; endmodule
