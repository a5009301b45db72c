"""Consumers of evidence and verdicts: terminal, JSON, JUnit, GitHub, Markdown."""
