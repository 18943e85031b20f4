"""Who does the work of a search, where? Jobs, and engines that run them."""
