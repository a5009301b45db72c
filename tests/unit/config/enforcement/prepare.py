"""What would make rows."""
