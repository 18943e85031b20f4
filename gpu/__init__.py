"""How a NETWORK computes with a candidate: ops, gradients, layers (CPU and GPU)."""
