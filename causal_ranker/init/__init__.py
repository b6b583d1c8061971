"""A newcomer's own tables: what they hold, what is still missing, and settings to start from.

`looks` reads the columns, `propose` says which of them is which and why, `found` tells what the
tables allow, and `settings` writes all that down as a commented TOML file. What is not clear is
left open there, for its owner to decide.
"""
