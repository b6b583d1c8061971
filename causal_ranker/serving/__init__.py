"""Serving: a published model folder, and the lists it gives."""
