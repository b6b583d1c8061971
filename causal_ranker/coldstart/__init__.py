"""Cold start: scores for items that nobody has seen, and how fairly they are found.

`model` is the door of what learns embeddings from content: `knn`, `deepmusic`, `dropoutnet`,
`heater`, `marec`; `content` makes numbers of titles and categories, `factors` the embeddings of
warm items; `layers` and `training` train, `storage` keeps. `scores` is the door of what is made
fairer: `scale` and `gen` (with `warm`), as published in `autoencoder` and `mmd`, `two_tiers`;
`choice` picks on validation items. `common_scale` puts scores beside those of warm items. `metrics`
judges, by `ranking`; `uncertainty`, `frontier`. With ids, for the command line: `tables` and
`score_files` read and write, `named` holds; `recommender` fits and embeds, `debias` makes fairer,
`compare` judges, `sections` tells.

Not here: lists of cold and warm items together (`causal_ranker.chain.cold`), and logs, of which
tables of pairs are all that is read. Which model fits which content is for the caller to measure.
"""
