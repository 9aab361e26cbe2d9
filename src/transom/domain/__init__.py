"""Rules and values: plain Python, no I/O, no clock, nothing from outside the standard library."""
