module m(input signed [7:0] a, b, output signed [15:0] p);
wire signed [15:0] q = a * b; assign p = {{8{q[7]}}, q[7:0]}; endmodule
