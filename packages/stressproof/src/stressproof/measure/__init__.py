"""Histograms, timelines and summaries as pure integer arithmetic."""
