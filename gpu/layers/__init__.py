"""How does an nn.Module use it?"""
