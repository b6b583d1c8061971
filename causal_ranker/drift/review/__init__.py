"""What a person should look at, what they said, and what follows from it.

`queue` is the queue; `store` its file, `entries` and `records` what stands in it, `files` how it is
carried elsewhere. `intake` and `informative` say what enters, `feedback` and `labels` what verdicts
do to thresholds and labels.

Not here: detectors, and deciding anything without a person.
"""
