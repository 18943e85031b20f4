"""What does a network take in silicon? From a unit to a multiply-accumulate, an array."""
