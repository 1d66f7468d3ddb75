"""Measurements of a running server; see ``python -m benchmarks --help``."""
