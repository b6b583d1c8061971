"""A queue goes out into files and comes back as it was."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.drift.review.entries import Entry, Verdict, VerdictKind
from causal_ranker.drift.review.files import FORMATS, read_entries, write_entries
from causal_ranker.drift.review.queue import ReviewQueue
from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from tests.drift.review.making import START, alert, entry, row

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False)
ids = st.integers(-(2**63), 2**63 - 1) | words
verdicts = st.lists(
    st.builds(
        Verdict,
        st.uuids().map(str),
        st.sampled_from([VerdictKind.UNSURE, VerdictKind.FALSE_ALARM]),
        words.filter(str.strip),
        st.just(START),
        words,
    ),
    max_size=3,
    unique_by=lambda v: v.id,
).map(lambda found: tuple(sorted(found, key=lambda v: v.id)))
alerts = st.builds(
    alert,
    words,
    detector=words,
    segment=st.none() | words,
    statistic=numbers,
    p_value=st.none() | numbers,
    signals=st.dictionaries(words.filter(str.strip), numbers, max_size=2),
)
scores = st.floats(-1e9, 1e9)
entries = st.builds(Entry, alerts, scores, words, st.just(START), verdicts) | st.builds(
    Entry, st.builds(row, ids, item_id=ids), scores, words, st.just(START)
)


@settings(max_examples=40, deadline=None)
@given(found=st.lists(entries, max_size=4, unique_by=lambda e: e.id))
@pytest.mark.parametrize("ending", FORMATS)
def test_out_and_in_again_is_equal(ending: str, found: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_entries(found, Path(folder) / f"e{ending}")
        assert read_entries(path) == found
        assert path.stat().st_mode & 0o077 == 0
        assert [p.name for p in Path(folder).iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_queue_goes_through_a_file(ending: str, tmp_path: Path) -> None:
    with ReviewQueue(tmp_path / "one") as one, ReviewQueue(tmp_path / "two") as two:
        one.add([entry(alert("a")), entry(row(), 2.0)])
        name = entry(alert("a")).id
        one.decide(name, VerdictKind.FALSE_ALARM, who="ann", why='=1+1, "quoted"; é')
        two.add([entry(alert("a"))])
        two.decide(name, VerdictKind.REAL_DRIFT, who="bob", why="before")
        read = read_entries(write_entries(one.entries(), tmp_path / f"e{ending}"))
        assert read == one.entries()
        assert two.add(read) == 1
        assert {v.who for v in two.entry(name).verdicts} == {"ann", "bob"}
        assert two.add(read) == 0
        assert len(two.entry(name).verdicts) == 2, "nothing is said twice"


def test_files_that_are_no_export(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ends in"):
        write_entries([], tmp_path / "e.txt")
    with pytest.raises(DataError):
        read_entries(tmp_path / "none.jsonl")
    path = write_entries([entry(row())], tmp_path / "e.jsonl")
    good = json.loads(path.read_text())
    about = json.loads(good["about"])
    about["user_id"] = 8
    for bad, error in (
        ({**good, "about": json.dumps(about)}, RowError),  # its id is another one's
        ({**good, "kind": "guess"}, RowError),
        ({**good, "score": "nan"}, RowError),
        ({**good, "verdicts": "{"}, RowError),
        ({"id": 1}, SchemaError),
        ([1], SchemaError),
    ):
        path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
        with pytest.raises(error, match="row 2"):
            read_entries(path)
    path.write_text("{")
    with pytest.raises(RowError, match="a JSON object"):
        read_entries(path)
    for ending in (".csv", ".parquet"):
        (tmp_path / f"x{ending}").write_bytes(b"PAR1")
        with pytest.raises(DataError):
            read_entries(tmp_path / f"x{ending}")
