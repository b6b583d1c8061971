"""Uplift: how many plays showing an item causes, for whom.

What is read: `base` (`Rows`, `Effect`, the door of every learner), `checks`, `leaks`, `overlap`.
What comes first: `nuisance`, `propensity` and the models behind them, `checkpoint`.
Learners: `constant`, `s`, `t`, `x`, `r`, `dr`, `ridge`; `econml_adapter` and `causalml_adapter` for
those of other packages; `factory`, which makes any by name; `estimator`, the scikit-learn door;
`levels` and `examination`, for treatments of several levels and for positions; `score`, for what
an earlier model said; `collaborative/learner`, for methods that learn from pairs of users and
items, whose scores are features by `collaborative/features`.
The choice: `candidates`, `contest`, `league`, `stack`; `auto` by folds, `select` on later rows.
What is said of an effect: `intervals`, `explain`; `distill`, one model in the place of any.

Not here: tables and logs (arrays come in), lists and policies (scores go out), and judging on rows
that a policy is frozen for, which is `causal_ranker.evaluation`.
"""
