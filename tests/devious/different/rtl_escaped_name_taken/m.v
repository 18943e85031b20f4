module m(input [3:0] a, b, output [7:0] p); wire [7:0] \x/y ; wire [7:0] x_y_ ;
assign \x/y = a*b; assign x_y_ = a*b+1; assign p = x_y_; endmodule
