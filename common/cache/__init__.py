"""A cache shared by all processes: everything in it can be lost at any moment, and costs only time."""
