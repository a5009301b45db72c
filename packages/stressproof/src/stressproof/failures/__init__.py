"""Failure scenarios offline: what they are made of, and what follows from the operations of one."""
