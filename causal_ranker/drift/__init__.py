"""Drift: what has moved since the reference, before labels arrive and after.

==================== =============================================================================
the protocol         `protocol` (`Detector`, `Decision`); `windows` and `rows` check what comes in
one variable         `detectors` (chance known), `distances` (chance learned), `weekly`
many at once         `reconstruction`, `clusters`, `discrepancy`, `domain`; `permuted`
other libraries      `streaming` (river), `alibi`
the monitor          `monitor` and its parts: `scan`, `sql`, `profiles`, `histograms`, `schema`,
                     `dated`, `signals`, `days`, `stretches`, `columns`, `family`, `check`,
                     `service`, `notes`; `verdict`, `sections`, `gauges`
all columns at once  `together/`: rows by lot, what the detectors of many variables say of them
the model            `health/`: which of the detectors below the monitor asks, and what it makes of
                     their answers
predictions          `means`, `distribution`, `support`, `label_free`
labels that came     `calibration`, `arriving`, `proxies`
causes               `effect`, `overlap`, `delays`
people               `review/`
==================== =============================================================================

Not here: what to do about it beyond an advice, and statistics that another room needs too
(`causal_ranker.stats`).
"""
