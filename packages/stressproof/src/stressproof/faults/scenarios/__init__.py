"""The five scenarios: how each prepares, what its load asks, and how its faults are made."""
