"""When is a table a few ordinary products?"""
