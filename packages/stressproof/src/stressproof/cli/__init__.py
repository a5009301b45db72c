"""Arguments, exit codes, printing."""
