"""What do operators take?"""
