"""Experiments: how large, who is in which arm, and what came of it.

Before: `design` (users and power), `spread` (of metrics, from past logs), `traffic` (who comes),
`plan` with its page. `assign` says who is where. After: `read` goes once over a table (`units`,
`scan`, `moments`), `difference` compares arms, `readout` does so for arrays; `sample_ratio` comes
first, `words` and `section` tell. `link` sets offline estimates beside what tests measured.
`interleaving/` lets two rankers share a list; `quasi/` is for when no test is possible.

Not here: estimates that train anything (`causal_ranker.uplift`), and offline ones of lists
(`causal_ranker.evaluation`).
"""
