"""How fast is a training step, and how much memory does it take, beside native torch?"""
