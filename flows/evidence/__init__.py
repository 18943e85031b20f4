"""What is a design tried with, and what may be said of it?"""
