"""What must whoever computes products pass? Test classes to inherit; they need pytest."""
