"""RTL to a mapped netlist, compared with its model, with delays."""
