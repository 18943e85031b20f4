"""From a unit to a multiply-accumulate, an array, a network."""
