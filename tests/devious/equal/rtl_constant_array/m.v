module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
reg [7:0] square [0:31];
integer i;
initial for (i = 0; i < 32; i = i + 1) square[i] = (i * i) >> 2;
wire [4:0] s = a + b;
wire [3:0] d = a > b ? a - b : b - a;
always @* p = square[s] - square[d];
endmodule
