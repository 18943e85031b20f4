"""WHAT a candidate is: its parameters, C model, Verilog and look-up table."""
