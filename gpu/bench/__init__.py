"""How fast is it beside native torch?"""
