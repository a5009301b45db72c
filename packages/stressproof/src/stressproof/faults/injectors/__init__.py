"""Faults that are applied, witnessed and undone: of databases, of services, of their callers."""
