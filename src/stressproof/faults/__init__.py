"""Toxics, the TCP proxy, injectors, witnesses, scenarios, invariants."""
