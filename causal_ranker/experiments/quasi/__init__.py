"""Quasi-experiments: what can be said of an effect where nobody drew lots.

`matching` compares rows of equal propensity, `fixed_effects` a unit with itself at other times,
`differences` a group that changed with one that did not, `discontinuity` rows just above a cut-off
with rows just below (`slate`: the end of a slate as one; `bandwidth`: how near). Each rests on an
assumption that it states, and shows what speaks against it. `tables` reads them from logs, and
`sections` shows them.
"""
