// Product of two significands (2M+2 bits, at least 1.0) -> carry and the top F fraction bits.
module normalise #(
    parameter M = 7,
    parameter F = 7
) (
    input  [2*M+1:0] product,
    output           carry,
    output [  F-1:0] fraction
);
  wire [2*M:0] wide = carry ? product[2*M:0] : {product[2*M-1:0], 1'b0};
  assign carry = product[2*M+1];
  assign fraction = wide[2*M:2*M+1-F];
endmodule
