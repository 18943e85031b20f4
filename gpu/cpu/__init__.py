"""How does this CPU compute a product?"""
