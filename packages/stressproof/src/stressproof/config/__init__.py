"""What a project or a suite asks, as data: requirements, profiles, ``stressproof.toml``."""
