"""How does RTL become a mapped netlist, and is it right? With its delays."""
