(* top *) module m((* a *) input [3:0] a, input [3:0] b, output reg [7:0] p);
(* keep = "true" *) wire [7:0] q = a * b;
always @(*) begin (* full_case, parallel_case *) case (a[0]) 1'b0: p = q; 1'b1: p = q; endcase end
endmodule
