"""Base recommenders: whatever ranks by P(play | shown), behind one method.

`base` is that method, and its rules. `boosted` is built in; `frame`, `callable`, `estimator`,
`implicit` and `http` wrap what is there already, `succession` models that took over from one
another. What comes from outside passes `answers` and `checks`.

Not here: uplift, training of other people's models, and how scores enter the chain
(`causal_ranker.chain.base`).
"""
