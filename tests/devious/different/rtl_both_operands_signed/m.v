module m(input signed [7:0] w, x, output signed [15:0] p); assign p = w*x; endmodule
