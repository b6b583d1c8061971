"""What a new policy's lists would bring, from lists that another policy showed.

`causal_ranker.evaluation.ope.evaluate.evaluate_policy` is the door; policies are built by
`plackett_luce`, `slotwise`, `fixed`, `logged`, `monte_carlo` and `mixture`, whose common face is in
`policies`; `estimators` has a line for each estimator, with what it assumes.

Not here: policies that order lists (`causal_ranker.reranking`), and lists judged by the effects of
their items, without weights for whole lists (`causal_ranker.evaluation.compare`).
"""
