"""Which multiplier is best for a network? Train, evaluate, search, report, export."""
