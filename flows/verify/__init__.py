"""Is the RTL the C model? Stimulus, simulation, verdict, certificate."""
