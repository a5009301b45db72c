"""Rules for failure-injection evidence, and the verdict they add up to."""
