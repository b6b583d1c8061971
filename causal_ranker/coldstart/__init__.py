"""Cold start: scores for items that nobody has seen, and how fairly they are found.

`model` is the door of what learns embeddings from content: `knn`, `deepmusic`, `dropoutnet`,
`heater`, `marec`; `content` makes numbers of titles and categories, `factors` the embeddings of
warm items; `layers` and `training` train, `storage` keeps. `scores` is the door of what is made
fairer: `scale` and `gen` (with `warm`), as published in `autoencoder` and `mmd`, `two_tiers`;
`choice` picks on validation items. `common_scale` puts scores beside those of warm items. `metrics`
judges, by `ranking`; `uncertainty`, `frontier`.

Not here: logs, and lists of cold and warm items together (`causal_ranker.chain.cold`); embeddings
and pairs come in, embeddings and scores go out. Which model fits which content is for the caller to
measure.
"""
