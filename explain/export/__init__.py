"""A run as files: figures, arrays, tables, report, film and manifest."""
