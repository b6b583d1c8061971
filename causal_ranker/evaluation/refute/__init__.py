"""Refuters: what would show an estimate to be false, tried before somebody else does."""
