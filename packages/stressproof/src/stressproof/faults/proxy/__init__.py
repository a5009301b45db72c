"""A TCP proxy that misbehaves when told to, in a process of its own, and faults made through it."""
