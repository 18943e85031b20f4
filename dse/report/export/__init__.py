"""What can a hardware team use alone? A folder of MACs, assignments, tables and a report."""
