"""What multiplies, and by which handle do operators know it?"""
