"""Area, delay and energy of designs, one by one, in batches, fast."""
