"""The SEARCH: train, evaluate, explore, export, report."""
