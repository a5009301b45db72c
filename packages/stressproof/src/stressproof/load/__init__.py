"""Connections, recorder, worker processes: the generator, and its client for one request."""
