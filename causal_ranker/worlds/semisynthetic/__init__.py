"""Worlds whose potential outcomes are drawn from probabilities that real logs suggest."""
