"""What do designs cost? Area, delay and energy, one by one, in batches, fast."""
