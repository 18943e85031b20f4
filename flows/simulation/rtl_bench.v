// Self-running bench of the RTL check: `go` starts a walk over the operand pairs of vectors.bin;
// the products of all devices go to results.bin in four states; `done` ends it. Nothing is judged
// here, and the order of the walk is chosen outside (`walk.py`).
//
// rtl_bench_devices.v is written for each run: the wires and instances of the devices, and the task
// `rtl_bench_record`. Names that a device could reach start with rtl_bench, which it may not use. With AXDSE_CLOCKED the one device is a pipeline: operands change after the rising
// edge and products are read before the next one, once more often than there are pairs.
`timescale 1ns / 1ps
module rtl_bench;
  reg go = 0;
  reg done = 0;
  reg clock = 0, reset = `AXDSE_RESET, enable = 1;
  reg [63:0] vectors[0:`AXDSE_VECTORS-1];
  reg [`AXDSE_A_BITS-1:0] a;
  reg [`AXDSE_B_BITS-1:0] b;
  integer vectors_file, results_file, i, idle;
`ifdef AXDSE_HANDSHAKE
  // Operands are handed over at an edge where start and takes are 1, and rest until it answers.
  reg start = 0;
  wire answers;
`ifdef AXDSE_TAKES
  wire takes = 1;
`else
  wire takes;
`endif
  integer silent = 0;
`endif

`include "rtl_bench_devices.v"

`ifdef AXDSE_WAVES
  // The model's answers, for the reader of the waves.
  reg [63:0] answers[0:`AXDSE_VECTORS-1];
  reg [`AXDSE_PRODUCT_BITS-1:0] expected;
  wire equal = p0 === expected;
  integer answers_file;
  initial begin
    answers_file = $fopen("answers.bin", "rb");
    i = $fread(answers, answers_file);
    $dumpfile("waves.vcd");
    $dumpvars(1, clock, a, b, p0, expected, equal);
    $dumpvars(0, rtl_bench_device0);
  end
`endif

  initial begin
    @(posedge go);
    vectors_file = $fopen("vectors.bin", "rb");
    i = $fread(vectors, vectors_file);
    results_file = $fopen("results.bin", "wb");
`ifdef AXDSE_CLOCKED
    repeat (4) rtl_bench_tick;
    reset = !`AXDSE_RESET;
    #1;
`endif
    for (i = 0; i < `AXDSE_VECTORS; i = i + 1) begin
      a = vectors[i][63:32];
      b = vectors[i][31:0];
`ifdef AXDSE_WAVES
      expected = answers[i];
`endif
`ifdef AXDSE_HANDSHAKE
      start = 1;
      #1000;
      for (idle = 0; takes !== 1 && idle < rtl_bench_patience(silent); idle = idle + 1)
        rtl_bench_tick;
      rtl_bench_tick;
      start = 0;
      #1000;
      for (idle = 0; answers !== 1 && idle < rtl_bench_patience(silent); idle = idle + 1)
        rtl_bench_tick;
      if (answers !== 1) silent = silent + 1;
`endif
      // Long enough for any delays inside the device; silent time costs nothing.
      #1000 rtl_bench_record;
`ifdef AXDSE_CLOCKED
      rtl_bench_tick;
      // What an idle pipeline is offered must leave no trace.
      for (idle = `AXDSE_STALLS & (vectors[i] ^ vectors[i] >> 33); idle[0]; idle = idle >> 1) begin
        enable = 0;
        a = ~a;
        b = ~b;
        #1000 rtl_bench_tick;
        enable = 1;
      end
`endif
    end
    $fclose(results_file);
    done = 1;
  end

`ifdef AXDSE_HANDSHAKE
  // Who has been silent a few times is not waited for again.
  function integer rtl_bench_patience(input integer silences);
    rtl_bench_patience = silences < 4 ? `AXDSE_HANDSHAKE : 1;
  endfunction
`endif

  task rtl_bench_tick;
    begin
      #1 clock = 1;
      // What changes next must not race with this edge, on which a design may load too.
      #1 clock = 0;
      #1;
    end
  endtask
endmodule
