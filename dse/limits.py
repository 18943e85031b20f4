"""How much may a search or a training ask for? Options and configurations share the bounds."""

MOST_TRIALS = 1_000_000
MOST_WORKERS = 1024
MOST_THREADS = 1024
MOST_SEEDS = 1000  # trainings of one design
MOST_EPOCHS = 100_000
MOST_IMAGES = 1_000_000_000
LARGEST_BATCH = 1_000_000
LARGEST_SEED = (1 << 31) - 1  # NumPy's older generators take 32 bits, and trials count on
