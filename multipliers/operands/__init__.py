"""Which operands did a network meet?"""
