"""How many plays a ranking causes, how sure that is, and the report that says so.

`rows` is what comes in. Figures: `compare` and `totals` (lists), `accuracy`, `effect` (averages and
groups), `evaluate` (all in one call); `scorers` for scikit-learn; `refute` and `ope`. What is said
of them: `verdict`, the sections, `wording`; `report` puts it together.

Not here: the maths (`causal_ranker.stats`), fitting (but for `refute`), and how a page looks
(`causal_ranker.reporting`).
"""
