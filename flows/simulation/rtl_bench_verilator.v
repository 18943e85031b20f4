// Self-running bench of the RTL check for Verilator, see rtl_bench.v, which it follows; for
// combinational devices only. Verilator has two states and no %z; the code that calls it gives
// access to `go` and `done` alone, as each signal that VPI may touch is one it cannot optimise.
`timescale 1ns / 1ps
module rtl_bench;
  reg go /*verilator public_flat_rw*/ = 0;
  reg done /*verilator public_flat_rw*/ = 0;
  reg [63:0] vectors[0:`AXDSE_VECTORS-1];
  reg [`AXDSE_A_BITS-1:0] a;
  reg [`AXDSE_B_BITS-1:0] b;
  integer vectors_file, results_file, i;

`include "rtl_bench_devices.v"

  initial begin
    @(posedge go);
    vectors_file = $fopen("vectors.bin", "rb");
    i = $fread(vectors, vectors_file);
    results_file = $fopen("results.bin", "wb");
    for (i = 0; i < `AXDSE_VECTORS; i = i + 1) begin
      a = vectors[i][32+:`AXDSE_A_BITS];
      b = vectors[i][0+:`AXDSE_B_BITS];
      // Long enough for any delays inside the device.
      #1000 rtl_bench_record;
    end
    $fclose(results_file);
    done = 1;
  end
endmodule
