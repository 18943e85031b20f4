"""What does a Verilog text say, and does it only compute?"""
