"""Logs: from whatever holds them to checked Ibis tables."""
