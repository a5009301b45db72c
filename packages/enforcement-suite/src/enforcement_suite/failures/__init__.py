"""The failure scenarios of the protocol as a file, and what makes their rows."""
