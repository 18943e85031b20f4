"""Cell libraries: functions, areas, timing, power."""
