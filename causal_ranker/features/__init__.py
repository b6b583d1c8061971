"""Features: what was known about a row strictly before t0."""
