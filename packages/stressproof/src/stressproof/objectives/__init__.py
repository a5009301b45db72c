"""Threshold grammar, burn rates, comparison with a baseline, over timelines."""
