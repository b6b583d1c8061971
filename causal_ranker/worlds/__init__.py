"""Simulated services whose potential outcomes are known.

`streaming` is a service with logs, by `config`: who lives there (`tastes`, `covariates`), when they
come (`visits`), what they are shown (`slates`), what happens (`outcomes`, `substitutes`, `plays`),
and how it is written down (`rows`, `logs`). `regimes` are five of them; `nonlinear` is drawn as
arrays. `known` and `learner_rows` are what a learner may read, with the truth beside it;
`policy_value` is what a ranking is worth. `semisynthetic/` has worlds of pairs, after real logs.

Not here: anything that estimates; and nothing in a world's logs that real logs do not have.
"""
