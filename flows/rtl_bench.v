// Self-running bench of the RTL check: `go` starts two walks over the operand pairs of vectors.bin;
// each result goes to results.bin in four states; `done` ends it. Nothing is judged here.
//
// The second walk goes backwards and moves b before a, so that a device with memory, such as a latch
// or an incomplete sensitivity list, betrays itself: it answers to where it comes from.
`timescale 1ns / 1ps
module rtl_bench;
  reg go = 0;
  reg done = 0;
  reg [63:0] vectors[0:`AXDSE_VECTORS-1];
  reg [`AXDSE_OPERAND_BITS-1:0] a, b;
  wire [`AXDSE_PRODUCT_BITS-1:0] p;
  wire [63:0] result = p;
  integer vectors_file, results_file, i;

  `AXDSE_TOP device (
      .`AXDSE_A(a),
      .`AXDSE_B(b),
      .`AXDSE_P(p)
  );

`ifdef AXDSE_WAVES
  // The model's answers, for the reader of the waves.
  reg [63:0] answers[0:`AXDSE_VECTORS-1];
  reg [`AXDSE_PRODUCT_BITS-1:0] expected;
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
    for (i = 0; i < `AXDSE_VECTORS; i = i + 1) begin
      a = vectors[i][63:32];
      b = vectors[i][31:0];
`ifdef AXDSE_WAVES
      expected = answers[i];
`endif
      // Long enough for any delays inside the device; silent time costs nothing.
      #1000 $fwrite(results_file, "%z", result);
    end
    for (i = `AXDSE_VECTORS - 1; i >= 0; i = i - 1) begin
      b = vectors[i][31:0];
      #1 a = vectors[i][63:32];
`ifdef AXDSE_WAVES
      expected = answers[i];
`endif
      #1000 $fwrite(results_file, "%z", result);
    end
    $fclose(results_file);
    done = 1;
  end
endmodule
