// Mitchell's multiplier with a set-one adder, ALM-SOA (Liu et al., 2018), on significands.
//
// The T low bits of the sum of the fractions are set to one, which makes up for part of what
// Mitchell's product lacks. The bits above are added exactly; the carry into them is, as in a
// lower-part OR adder, the AND of the highest bits of the two low parts.
module alm_soa #(
    parameter M = 7,
    parameter T = 3
) (
    input  [M-1:0] x,
    input  [M-1:0] y,
    output [  M:0] p
);
  wire carry = x[T-1] & y[T-1];
  assign p[T-1:0] = {T{1'b1}};
  assign p[M:T] = {1'b0, x[M-1:T]} + {1'b0, y[M-1:T]} + {{M - T{1'b0}}, carry};
  generate
    if (T > 1) begin : set
      wire unused = &{1'b0, x[T-2:0], y[T-2:0]};
    end
  endgenerate
endmodule
