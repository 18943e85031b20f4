// Self-running bench of the RTL check: `go` starts a walk over all operand pairs of vectors.bin;
// each result goes to results.bin in four states; `done` ends it. No value is judged here.
`timescale 1ns / 1ps
module rtl_bench;
  reg go = 0;
  reg done = 0;
  reg [63:0] vectors [0:`COUNT-1];
  reg [31:0] a, b;
  wire [`PRODUCT_BITS-1:0] p;
  wire [63:0] result = p;
  integer vectors_file, results_file, i;

  `DEVICE device (
      .`PORT_A (a[`OPERAND_BITS-1:0]),
      .`PORT_B (b[`OPERAND_BITS-1:0]),
      .`PORT_P (p)
  );

`ifdef WAVES
  // Beside the product, what the model says, for the reader of the waves.
  reg [63:0] answers [0:`COUNT-1];
  reg [`PRODUCT_BITS-1:0] expected;
  wire equal = p === expected;
  integer answers_file;
  initial begin
    answers_file = $fopen("answers.bin", "rb");
    i = $fread(answers, answers_file);
    $dumpfile("waves.vcd");
    $dumpvars(1, a, b, p, expected, equal);
    $dumpvars(0, device);
  end
`endif

  initial begin
    @(posedge go);
    vectors_file = $fopen("vectors.bin", "rb");
    i = $fread(vectors, vectors_file);
    results_file = $fopen("results.bin", "wb");
    for (i = 0; i < `COUNT; i = i + 1) begin
      {a, b} = vectors[i];
`ifdef WAVES
      expected = answers[i];
`endif
      #1000 $fwrite(results_file, "%z", result);
    end
    $fclose(results_file);
    done = 1;
  end
endmodule
