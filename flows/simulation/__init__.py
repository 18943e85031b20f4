"""What does a simulator answer?"""
