"""Collaborative causal rankers: learned from who was shown and who played what, alone.

=================== ==============================================================================
what is read        `interactions` (pairs that were shown, played, or both); `codes`, `strata` and
                    `absent`, which draw from the pairs, listed or not
the door            `base` (`PairModel`, and the loop of those that learn factors), `factory`
                    (every method by its name)
factors             `factors`, `kernels` (the compiled loops) with `prefetch`, `early` (when to
                    stop); methods: `pointwise`, `pairwise`, `dlce`, `cause`
whole rows          `whole_rows`; methods: `popularity`, `neighbours`
propensities        `propensities` (by name), `pair_propensity`, `fitted_propensity` with
                    `logistic_factors`, `propcare` (where it is not known what was shown)
how good a ranking  `estimated` (CP@K and CDCG from pairs)
beside the others   `learner` (a method as an `UpliftModel`), `pairs` (from rows to pairs);
                    `history`, `features` and `along` (what earlier pairs tell of later rows)
=================== ==============================================================================

Not here: tables, users' and items' own features (`causal_ranker.features`), worlds to try methods
in (`causal_ranker.worlds.semisynthetic`), and lists.
"""
