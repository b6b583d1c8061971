"""Refuters: what would show an estimate to be false, tried before somebody else does.

`run.refute` is the door: `Material` (rows, nuisances, what the report itself found) in, a line for
each attempt out. `placebo`, `stability`, `hidden`, `dosage` and `balancing` are the attempts, and
`check` says what a line is.

Not here: the formulas (`causal_ranker.stats.confounding`), where rows come from
(`causal_ranker.chain.refute`), and how lines look (`causal_ranker.evaluation.refutation_section`).
"""
