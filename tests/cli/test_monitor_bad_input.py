"""`causal-ranker monitor` on tables that are odd: an error in one line, or an outcome."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.calling import MESSAGE, Run
from tests.cli.test_json import documented

MONDAY = np.datetime64("2026-01-05")
ROWS = 280


def table(seed: int, *, first: int = 0, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = MONDAY + first + np.arange(ROWS) * 28 // ROWS
    return pd.DataFrame(
        {"x": rng.normal(size=ROWS), "y": rng.normal(size=ROWS), "day": day}
    ).assign(**columns)


def call(run: Run, folder: Path, *words: str, **sides: pd.DataFrame) -> tuple[int, str, str]:
    found: list[object] = ["monitor", "--no-together", *words]
    for name, frame in sides.items():
        path = folder / f"{name}.csv"
        if frame["x"].map(type).nunique() == 1:  # of several types Parquet has no column
            frame.to_parquet(path := folder / f"{name}.parquet")
        else:
            frame.to_csv(path, index=False)
        found += [f"--{name}", path]
    return run(*found)


DAYS = ("--day", "day")
#: Reference, window, options, and words of the error.
REFUSED: dict[str, tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...], str]] = {
    "an empty window": (table(0), table(1, first=28)[:0], (), "two rows in the window; got 0"),
    "an empty reference": (table(0)[:0], table(1), (), "two rows in the reference; got 0"),
    "a window of one row": (table(0), table(1)[:1], (), "two rows in the window; got 1"),
    "a reference that is newer": (
        table(0, first=28),
        table(1),
        DAYS,
        "a window that begins after the reference's last day, 2026-03-01; got a window that begins "
        "on 2026-01-05",
    ),
    "days that are none": (
        table(0, day=1),
        table(1, day=2),
        DAYS,
        "dates or timestamps in 'day' of the reference; got int64",
    ),
    "words in the place of days": (
        table(0),
        table(1, day="soon"),
        DAYS,
        "in 'day' of the window; got 280 rows of other words, e.g. 'soon'",
    ),
    "a column that nobody has": (table(0), table(1), ("--columns", "z"), "the column 'z'"),
}
HUGE = 2**62 + 2**40 * np.arange(ROWS)
#: Reference, window, advice, begin of the verdict, and the columns that drifted.
TOLD: dict[str, tuple[pd.DataFrame, pd.DataFrame, str, str, list[str]]] = {
    "a constant": (table(0, k=1.0), table(1, k=1.0), "nothing", "None of 3 columns", []),
    "a constant that changed": (table(0, k=1), table(1, k=2), "retrain", "1 of 3 columns", ["k"]),
    "all missing": (table(0), table(1, x=np.nan), "stop", "Most values of x are missing", ["x"]),
    "all missing in both": (table(0, x=np.nan), table(1, x=np.nan), "nothing", "None of 2", []),
    "another type": (table(0), table(1, x="1"), "stop", "The schema changed: 1 columns", []),
    "a column gone, and most values of another missing": (
        table(0, k=1.0),
        table(1, y=np.nan),
        "stop",
        "The schema changed: 1 columns came, went or changed their type (k)",
        ["y"],
    ),
    "mixed types": (table(0), table(1, x=[1.5, "two"] * 140), "stop", "The schema changed", []),
    "huge integers": (table(0, k=HUGE), table(1, k=HUGE[::-1]), "nothing", "None of 3", []),
    "huge integers that moved": (
        table(0, k=HUGE),
        table(1, k=HUGE + 2**47),
        "retrain",
        "1 of 3 columns drifted (k)",
        ["k"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_told_in_one_line(run: Run, tmp_path: Path, case: str) -> None:
    before, now, words, expected = REFUSED[case]
    code, out, err = call(run, tmp_path, *words, reference=before, window=now)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert expected in err


@pytest.mark.parametrize("case", TOLD)
def test_what_is_odd_has_an_outcome(run: Run, tmp_path: Path, case: str) -> None:
    before, now, advice, verdict, drifted = TOLD[case]
    code, out, err = call(run, tmp_path, "--json", reference=before, window=now)
    told = json.loads(out)
    assert (told["advice"], told["drifted"], err) == (advice, drifted, "")
    assert code == told["exit_code"] == {"nothing": 0, "retrain": 11, "stop": 12}[advice]
    assert told["verdict"].startswith(verdict)
    assert told["rows_now"] == ROWS
    assert set(told) == documented()["monitor"]


@pytest.mark.parametrize("word", ["metrics", "decisions"])
def test_a_beginning_without_an_end_is_told(run: Run, tmp_path: Path, word: str) -> None:
    words = (f"--{word}-before", str(tmp_path))
    code, out, err = call(run, tmp_path, *words, reference=table(0), window=table(1))
    assert (code, out) == (2, "")
    assert f"--{word}, too" in err
