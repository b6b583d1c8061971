"""Cold start: scores for items that nobody has seen, and how fairly they are found."""
