"""What do all products of a design say? Tables, errors, factors."""
