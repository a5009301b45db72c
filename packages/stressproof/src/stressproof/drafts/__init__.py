"""A ``stressproof.toml`` to begin with, from what a project already has; nothing here is sent."""
