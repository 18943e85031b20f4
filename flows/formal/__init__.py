"""Is it proved? And-inverter graphs, exhaustion and equivalence."""
