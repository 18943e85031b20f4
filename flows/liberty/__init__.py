"""What are the cells of a library? Functions, areas, timing, power."""
