module m(input [1:0] a, input [1:0] b, output [3:0] p);
wire x, y, z, c;
and g0(p[0], a[0], b[0]), g1(x, a[1], b[0]), g2(y, a[0], b[1]), g3(z, a[1], b[1]);
xor g4(p[1], x, y);
and g5(c, x, y);
xor g6(p[2], z, c);
and g7(p[3], z, c);
endmodule
