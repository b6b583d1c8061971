"""Entry points that run the chain where the logs live.

A `*_flow` is a Metaflow flow; what its steps do stands beside it, callable without the engine
(`labelling`, `training`, `trials`; `watching`; `backfill`; `records` for all), and what it is told
in `settings`. `spark_labels` and `spark_lists` are commands on Spark. A file here opens an engine,
calls the package and writes what it returns. Rules about data, maths and settings of the chain
belong in `causal_ranker`; nothing there imports from here.
"""
