"""Simulated services whose potential outcomes are known."""
