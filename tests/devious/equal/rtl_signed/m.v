module m(input signed [7:0] a, input signed [7:0] b, output signed [15:0] p);
wire signed [16:0] twice = a * b * 17'sd2;
assign p = -(-(twice >>> 1));
endmodule
