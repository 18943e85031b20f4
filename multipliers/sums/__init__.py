"""What adds the products?"""
