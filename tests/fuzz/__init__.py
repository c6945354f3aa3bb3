"""Hostile bytes for the readers: ``python -m tests.fuzz TARGET --seconds 600``."""
