"""Experiments: how large, who is in which arm, and what came of it."""
