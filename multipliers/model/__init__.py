"""What does a design compute? C models, run and tabulated; the unit around a core."""
