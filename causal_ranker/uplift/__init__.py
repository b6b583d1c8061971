"""Uplift: how many plays showing an item causes, for whom."""
