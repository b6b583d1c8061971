"""Policies: from a base score and an uplift to the order that is shown.

Scorers: `policies`. Rules after them: `chained`, with `constrained`, `diversified` and what these
are made of (`limits`, `budget`, `slots`). `explore` draws lists, with the chance of each slot, by
one of the `draws`. `description` writes policies as JSON, `ranks` sorts within requests.

Not here: models, where side columns come from (`causal_ranker.chain.sides`,
`causal_ranker.serving.sides`), and what a list is worth (`causal_ranker.evaluation`).
"""
