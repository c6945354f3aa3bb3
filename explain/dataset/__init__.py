"""Thousands of clips, one after another: rows that last, and what they say together."""
