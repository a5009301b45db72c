"""Routes, authentication, limits, errors: HTTP to domain and back."""
