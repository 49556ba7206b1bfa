"""Hostile and damaged input in large numbers, and processes that are killed; ``python -m benchmarks.fuzz.results``."""
