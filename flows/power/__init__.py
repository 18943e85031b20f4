"""What switches, under which operands, and what does that take?"""
