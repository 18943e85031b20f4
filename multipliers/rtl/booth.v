// Radix-4 Booth multiplier (MacSorley, 1961).
//
// Each digit of b, -2..2, comes from three bits of b that overlap by one. A row is a times the
// digit: complemented if the digit is negative, with a one added in its lowest column. Instead of
// sign extension a row ends with its complemented sign bit, and constant ones are added once for
// all.
module booth #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam DIGITS = (N + 1) / 2;
  // Sign extension of row i is -2^(N + 2i) where its sign is set:
  // 2^(N + 2i) (1 - sign) - 2^(N + 2i).
  localparam [2*N-1:0] FOURS = {N{2'b01}};
  localparam [2*N-1:0] CONSTANTS = -(FOURS << N);
  wire [N+1:0] digits_b = {b[N-1], b, 1'b0};
  wire [N:0] extended_a = {a[N-1], a};

  genvar i;
  generate
    for (i = 0; i < DIGITS; i = i + 1) begin : row
      wire [2:0] triplet = digits_b[2*i+:3];
      wire one = triplet[1] ^ triplet[0];
      wire two = triplet == 3'b011 | triplet == 3'b100;
      wire negative = triplet[2] & ~&triplet;
      wire [N:0] multiple = extended_a & {N + 1{one}} | {a, 1'b0} & {N + 1{two}};
      wire [N:0] cells = multiple ^ {N + 1{negative}};
      wire [2*N:0] shifted = {{N{1'b0}}, ~cells[N], cells[N-1:0]} << 2 * i;
      wire [2*N-1:0] correction = {{2 * N - 1{1'b0}}, negative} << 2 * i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = CONSTANTS + shifted[2*N-1:0] + correction;
      else assign sum = row[i-1].sum + shifted[2*N-1:0] + correction;
    end
  endgenerate
  assign p = row[DIGITS-1].sum;
endmodule
