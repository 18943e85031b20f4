// A product float(E, F) as the float(G, H) of a wider accumulator, G >= E and H >= F: exact, as
// units give no subnormal numbers.
module fp_widen #(
    parameter E = 8,
    parameter F = 15,
    parameter G = 8,
    parameter H = 23
) (
    input  [E+F:0] x,
    output [G+H:0] y
);
  localparam [G-1:0] OFFSET = (1 << (G - 1)) - (1 << (E - 1));
  wire [E-1:0] exponent = x[E+F-1:F];
  wire [G-1:0] moved = {{(G) {1'b0}}, exponent} + OFFSET;
  assign y[G+H] = x[E+F];
  assign y[G+H-1:H] = &exponent ? {G{1'b1}} : |exponent ? moved : {G{1'b0}};
  assign y[H-1:0] = {{H{1'b0}}, x[F-1:0]} << (H - F);
endmodule
