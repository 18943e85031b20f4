"""What do hardware tools say of a candidate? RTL check, area, delay, power."""
