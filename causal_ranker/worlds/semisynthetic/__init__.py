"""Worlds of pairs whose potential outcomes are drawn from probabilities that real logs suggest.

`pair_world` is a world and what is drawn from it, `statistics` what it is like beside the published
ones. Two are made: `grocery` (with `grocery_tables`, `shopping` and `shopping_filters`) and `films`
(with `rating_factors` and `watch_factors`); `rank_propensity` shows what a recommender would.

Not here: moments, slates and logs in the contract's form (`causal_ranker.worlds.streaming`), nor
any of the data, which the caller brings.
"""
