"""The chain: rooms wired into training, evaluation and publishing.

`causal_ranker.ranker` is its public face. Each module is one link: `logs` (sources to labels),
`sample` (training rows), `base` (base scores), `train`, `score` (candidate lists to evaluation
rows), `publish` (bundle).
"""
