"""Who is tried next, and how far?"""
