primitive keep(q, d, e);
output q; reg q; input d, e;
table 0 1 : ? : 0; 1 1 : ? : 1; ? 0 : ? : -; endtable
endprimitive
module m(input [3:0] a, input [3:0] b, output [7:0] p);
wire k;
keep g(k, a[0], b[0]);
assign p = k ? a * b : b * a;
endmodule
