module m(input [3:0] a, input [3:0] b, output reg [7:0] p);
function integer half(input integer n); half = n / 2; endfunction
localparam H = half(4);
function [7:0] part(input [3:0] x, input [1:0] y); part = x * y; endfunction
task add(input [7:0] x, y, output [7:0] z); z = x + y; endtask
always @* add(part(a, b[H-1:0]), part(a, b[3:H]) << H, p);
endmodule
