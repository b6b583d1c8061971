"""Runs in Alibi-Detect's own environment: makes its detectors and answers for them.

Questions and answers are pickled, one after the other, on the standard streams.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    detectors: list[Any] = []
    while True:
        try:
            kind, reference, settings, place, window = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if place is None:
            library = importlib.import_module("alibi_detect.cd")
            detectors.append(getattr(library, kind)(reference, **settings))
            answer: Any = len(detectors) - 1
        else:
            answer = detectors[place].predict(window)
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
