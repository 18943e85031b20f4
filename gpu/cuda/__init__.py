"""How does a GPU compute a product?"""
