"""The version of the distribution, a literal: importlib.metadata would cost 50 ms at start."""

__version__ = "0.2.0"
