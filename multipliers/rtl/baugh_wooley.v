// Two's complement array multiplier (Baugh and Wooley, 1973), in its modified form.
//
// Cells of the sign bits weigh negatively: they are complemented, and two constant ones, in
// columns N and 2N - 1, make up for that. So all cells are added.
module baugh_wooley #(
    parameter N = 8
) (
    input  [  N-1:0] a,
    input  [  N-1:0] b,
    output [2*N-1:0] p
);
  localparam [2*N-1:0] ONE = 1;
  localparam [2*N-1:0] CONSTANTS = ONE << N | ONE << (2 * N - 1);
  localparam [N-1:0] SIGN = {1'b1, {N - 1{1'b0}}};

  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : row
      wire [N-1:0] cells = (a & {N{b[i]}}) ^ (i == N - 1 ? ~SIGN : SIGN);
      wire [2*N-1:0] shifted = {{N{1'b0}}, cells} << i;
      wire [2*N-1:0] sum;
      if (i == 0) assign sum = CONSTANTS + shifted;
      else assign sum = row[i-1].sum + shifted;
    end
  endgenerate
  assign p = row[N-1].sum;
endmodule
