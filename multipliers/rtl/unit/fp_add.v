// Floating-point adder: IEEE 754, round to nearest, ties to even, with subnormals.
//
// Operands are float(E, M), the sum is the exact one rounded once to float(E, R), R <= M: so a
// narrow accumulator (R < M) takes wide products without rounding twice. NaN operands and
// infinity - infinity give the quiet NaN (sign 0, only the fraction's top bit set); x - x is +0.
module fp_add #(
    parameter E = 8,
    parameter M = 23,
    parameter R = M
) (
    input  [E+M:0] a,
    input  [E+M:0] b,
    output [E+R:0] p
);
  wire [M+4:0] total;
  wire [E-1:0] exponent;
  wire [3:0] kind;
  fp_add_align #(.E(E), .M(M)) align (
      .a(a), .b(b), .total(total), .exponent(exponent), .kind(kind));
  fp_add_round #(.E(E), .M(M), .R(R)) round (
      .total(total), .exponent(exponent), .kind(kind), .p(p));
endmodule
