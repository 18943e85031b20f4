"""Which operands met?"""
