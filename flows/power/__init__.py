"""What switches, under which operands, and what that takes."""
