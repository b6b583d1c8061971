"""The health of a model: what its predictions, its policy, its labels and its effects do.

`roles` says which columns tell of it and reads their rows, `lists` what share of a list it changed;
`judges` asks the detectors, `advice` says what an alarm calls for, `checks` decides all together.

Not here: features, which the monitor compares column by column.
"""
