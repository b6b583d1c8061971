"""The decision log: written durably while serving, compacted into the next training log."""
