// Radix-4 approximate Booth multiplier (Liu et al., 2017): approximate encoders R4ABE1 and R4ABE2 in
// the V least-significant columns.
//
// A cell gets bit j of a times a digit of b, -2..2, that is encoded in three bits of b. D = 1 takes
// 2a for a: the cell is bit j of a, complemented for a negative digit, or 0 for the digit 0 (wrong in
// 4 of 32 cases). D = 2 does without the 0 as well (8 of 32). The one that a negative row adds in its
// lowest column stays exact, as do the columns from V on.
module booth_approx #(
    parameter N = 8,
    parameter V = 8,
    parameter D = 1
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam DIGITS = (N + 1) / 2;
  // Sign extension of row i is -2^(N + 2i) where its sign is set: 2^(N + 2i) (1 - sign) - 2^(N + 2i).
  localparam [2*N-1:0] FOURS = {N{2'b01}};
  localparam [2*N-1:0] CONSTANTS = -(FOURS << N);
  wire [N+1:0] digits_b = {b[N-1], b, 1'b0};
  wire [N:0] extended_a = {a[N-1], a};

  genvar i, j;
  generate
    for (i = 0; i < DIGITS; i = i + 1) begin : row
      wire [2:0] triplet = digits_b[2*i+:3];
      wire nonzero = ~(&triplet | ~|triplet);
      wire one = triplet[1] ^ triplet[0];
      wire two = nonzero & ~one;
      wire negative = triplet[2] & nonzero;
      wire [N:0] multiple = extended_a & {N + 1{one}} | {a, 1'b0} & {N + 1{two}};
      wire [N:0] cells;
      for (j = 0; j <= N; j = j + 1) begin : bits
        if (2 * i + j >= V) assign cells[j] = multiple[j] ^ negative;
        else if (D == 1) assign cells[j] = nonzero & (extended_a[j] ^ triplet[2]);
        else assign cells[j] = extended_a[j] ^ triplet[2];
      end
      wire [2*N:0] shifted = {{N{1'b0}}, ~cells[N], cells[N-1:0]} << 2 * i;
      wire [2*N-1:0] correction = {{2 * N - 1{1'b0}}, negative} << 2 * i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = CONSTANTS + shifted[2*N-1:0] + correction;
      else assign sum = row[i-1].sum + shifted[2*N-1:0] + correction;
    end
  endgenerate
  assign p = row[DIGITS-1].sum;
endmodule
