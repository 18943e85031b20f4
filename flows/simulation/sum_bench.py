"""What does the Verilog of a sum answer, by Icarus? Ports wider than those of `rtl_bench.v`."""

from collections.abc import Sequence

import numpy as np

from axdse.flows.scripts import RTL_FILE
from axdse.flows.simulation.icarus import last_words, log_lines
from axdse.flows.tools import find_tool
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

TIME_LIMIT_S = 600
_BENCH = """\
`timescale 1ns / 1ps
module axdse_sum_bench;
  reg [{ab}:0] steps[0:{last}];
  reg [{c}:0] sums[0:{last}];
  reg [{ab}:0] ab;
  reg [{c}:0] c;
  wire [{d}:0] d;
  integer i;
  reg clk = 0;
  {top} device ({clock}.ab(ab), .c(c), .d(d));
  initial begin
    $readmemh("steps.hex", steps);
    $readmemh("sums.hex", sums);
    for (i = 0; i <= {last}; i = i + 1) begin
      ab = steps[i];
      c = sums[i];
      {run}
    end
  end
endmodule
"""
_AT_ONCE = '#1000 $display("%h", d);'
# What stands before the edge must still be the step before.
_CLOCKED = '#1000 $display("%h", d); clk = 1; #1000 $display("%h", d); clk = 0;'


def simulate_sum(rtl: Rtl, operands: Sequence[int], sums: np.ndarray) -> list[str]:
    """Run steps through Icarus.

    Args:
        rtl: of `axdse.multipliers.designs.sum_rtl`.
        operands: what port `ab` gets at each step.
        sums: what port `c` gets, uint64.

    Returns:
        What port `d` says, in hex; may hold x. With a stage register it is what it says a clock
        later.

    Raises:
        AxdseError: Icarus is missing or refuses the text, the run does not end, or a stage
            register does not wait for its clock.
    """
    refuse_unsafe(rtl.text, rtl.top)
    widths = {"ab": rtl.a_bits - 1, "c": rtl.b_bits - 1, "d": rtl.product_bits - 1}
    with temporary_folder() as folder:
        clock, run = (".clk(clk), ", _CLOCKED) if rtl.pipeline else ("", _AT_ONCE)
        bench = _BENCH.format(**widths, last=len(operands) - 1, top=rtl.top, clock=clock, run=run)
        (folder / "bench.v").write_text(bench)
        (folder / RTL_FILE).write_text(rtl.text)
        (folder / "steps.hex").write_text("".join(f"{word:x}\n" for word in operands))
        (folder / "sums.hex").write_text("".join(f"{word:x}\n" for word in sums.tolist()))
        arguments = ["-o", "sim.vvp", "-s", "axdse_sum_bench", "-g2012", "bench.v", RTL_FILE]
        built = find_tool("iverilog").run(arguments, folder=folder, limit_s=TIME_LIMIT_S)
        if built.exit_code:
            line = last_words(log_lines(built.log_file), built.log)
            rule = f"the RTL {rtl.top} must elaborate in Icarus"
            raise AxdseError(rule, line, "correct that line")
        result = find_tool("vvp").run(["-n", "sim.vvp"], folder=folder, limit_s=TIME_LIMIT_S)
        answers = result.log.split()
    if rtl.pipeline:
        before, answers = answers[::2], answers[1::2]
        if before[1:] != answers[:-1]:
            rule = f"the stage register of {rtl.top} waits for its clock"
            raise AxdseError(rule, "d changes before it", "load it at the rising edge")
    if result.exit_code or len(answers) != len(operands):
        rule = f"the simulation of {rtl.top} must answer at every step"
        raise AxdseError(rule, f"{len(answers)} of {len(operands)}", "try again")
    return answers
