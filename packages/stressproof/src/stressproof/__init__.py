"""Load a service, break it on purpose, and let only proven builds through."""

from stressproof.version import __version__

__all__ = ["__version__"]
