"""What is a candidate? Its parameters, C model, Verilog and look-up table."""
