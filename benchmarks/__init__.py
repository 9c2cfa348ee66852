"""Measurements, each `python -m benchmarks.NAME` from the repository root.

Each prints a table for people, ends with one line of JSON of its figures, and exits 1 where one of
its own bars is missed.
"""
