"""What a new policy's lists would bring, from lists that another policy showed.

`causal_ranker.evaluation.ope.evaluate.evaluate_policy` is the door; policies are built by
`plackett_luce`, `slotwise`, `fixed`, `logged`, `monte_carlo` and `mixture`.
"""
