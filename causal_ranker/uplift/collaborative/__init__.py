"""Collaborative causal rankers: learned from who was shown what and who played what, alone."""
