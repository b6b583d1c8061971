"""Entry points that run the chain where the logs live.

A file here opens an engine, calls the package and writes what it returns. Rules about data, maths
and settings belong in `causal_ranker`; nothing there imports from here.
"""
