"""Failures of ``stressproof.toml``: its tables, and the plan that they mean."""
