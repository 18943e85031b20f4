"""Which realisation computes a call?"""
