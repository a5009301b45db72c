"""Preflight, provenance, rounds: drives load and faults, writes evidence."""
