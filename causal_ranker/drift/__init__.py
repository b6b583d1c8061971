"""Drift: what has moved since the reference, before labels arrive and after."""
