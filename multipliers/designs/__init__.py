"""Which designs are there? Families, candidates, their Verilog."""
