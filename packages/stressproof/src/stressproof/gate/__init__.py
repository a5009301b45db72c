"""Requirements and evidence to one release decision."""
