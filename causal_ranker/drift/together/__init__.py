"""All columns at once: what no single column shows, as a correlation that breaks.

`sample` draws rows of each day from tables of any length, `places` makes numbers of their values,
`looks` asks four detectors (components, clusters, kernel means, a classifier) and decides.

Not here: the detectors themselves, which are for arrays (`reconstruction`, `clusters`,
`discrepancy`, `domain`).
"""
