"""Interleaving: two rankers fill one list, and every user judges both.

`lists` draws the lists, `chances` says how likely each item was to be in one, `uplift` reads
causal-balanced lists and `credit` team-draft ones; `tables` reads either from logs, and `sections`
shows it.
"""
