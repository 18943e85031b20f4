"""What does a reader see? Charts as SVG, maps of errors as images."""
