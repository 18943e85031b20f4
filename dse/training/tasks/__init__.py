"""Which tasks ship? One factory each, as a user writes it."""
