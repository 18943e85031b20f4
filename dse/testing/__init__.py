"""What must whatever a user brings pass? Test classes to inherit; they need pytest."""
