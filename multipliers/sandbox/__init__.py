"""Who runs a stranger's code, under which limits?"""
