"""And-inverter graphs: exhaustion and equivalence, proofs instead of samples."""
