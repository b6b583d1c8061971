"""Collaborative causal rankers: learned from who was shown and who played what, alone."""
