"""What do many designs cost, at once: one Yosys, one ABC, no OpenSTA?"""
