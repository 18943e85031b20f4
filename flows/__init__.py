"""What HARDWARE TOOLS say of a candidate: RTL check, area, delay."""
