"""Workload, pacers, connections, recorder, worker processes: the generator."""
