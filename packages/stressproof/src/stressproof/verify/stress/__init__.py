"""Rules for stress evidence, and the verdict they add up to."""
