"""CSV files: every line and every word counts, and what cannot be read is told or set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError, EmptyError, SchemaError
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.csv_faults import LINE
from causal_ranker.logs.quarantine import REASON, Quarantine, quarantine_rows
from causal_ranker.logs.rules import check
from causal_ranker.logs.sources import connect, read_faulty, read_table

PLAYS = CONTRACTS["plays"]
HEAD = "play_id,user_id,item_id,played_at,seconds,is_bot,mood"
ENGINE = connect(threads=1)
#: More rows than DuckDB guesses types by.
MANY = 21_000
READ = "text that can be read as"


def line(
    play: object, *, at: str = "2024-01-01 00:00:00Z", seconds: object = 5, **more: str
) -> str:
    return f"{play},1,2,{at},{seconds},{more.get('is_bot', 'true')},{more.get('mood', '1')}"


def good(n: int) -> list[str]:
    return [line(play) for play in range(n)]


def write(folder: Path, *lines: str, head: str = HEAD, name: str = "plays.csv") -> Path:
    (folder / name).write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return folder / name


def set_aside(path: Path, *, told: str | None = None) -> Quarantine:
    """What the chain does: read strictly, and take apart what is refused."""
    with pytest.raises(DataError, match=told):
        read_table(path, ENGINE, name="plays", contract=PLAYS)
    faulty = read_faulty(path, ENGINE, contract=PLAYS)
    assert faulty is not None
    return quarantine_rows(faulty, PLAYS, folder=path.parent / "aside")


BAD = {
    "no timestamp": (line(-1, at="yesterday"), "played_at", "yesterday"),
    "no time zone": (line(-1, at="2024-01-01 00:00:00"), "played_at", "2024-01-01 00:00:00"),
    "no number": (line(-1, seconds="sixty"), "seconds", "sixty"),
    "no flag": (line(-1, is_bot="maybe"), "is_bot", "maybe"),
    "a flag that is a number": (line(-1, is_bot="1"), "is_bot", "1"),
}
LATE = {
    "no covariate": (line(-1, mood="good"), "mood", "good"),
    "an id that is a fraction": (line("1.5"), "play_id", "1.5"),
}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [(rows, fault) for rows in (20, MANY) for fault in BAD] + [(MANY, fault) for fault in LATE],
)
def test_a_word_that_cannot_be_read_is_told_or_set_aside(
    rows: int, fault: str, tmp_path: Path
) -> None:
    row, column, word = {**BAD, **LATE}[fault]
    path = write(tmp_path, *good(rows), row)
    found = set_aside(path, told=rf"'{column}' of plays; got 1 of {rows + 1} .*{word}")
    assert found.rows == rows + 1
    assert found.kept.count().execute() == rows
    (reason,) = found.reasons
    assert reason.startswith(f"{column}: expected {READ}")
    assert ";" not in reason  # it is no empty value as well
    assert found.path is not None
    aside = pq.read_table(found.path).to_pylist()
    assert [(each[column], each[LINE]) for each in aside] == [(word, None)]


LINES = {
    "too few": ("7,8", "a line with too few columns"),
    "too many": (line(-1) + ",9,9", "a line with too many columns"),
    "a word behind a quote": (line('"8"x'), "a line with a quote that does not close"),
}


@pytest.mark.parametrize("rows", [20, MANY])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("fault", LINES)
def test_a_line_that_is_no_row_is_told_or_set_aside(
    rows: int, end: str, fault: str, tmp_path: Path
) -> None:
    broken, reason = LINES[fault]
    path = write(tmp_path, *good(rows), broken, line(rows))
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    found = set_aside(path, told=f"Line: {rows + 2}")
    assert (found.rows, found.reasons) == (rows + 2, {reason: 1})
    assert found.kept.count().execute() == rows + 1
    assert found.path is not None
    aside = pq.read_table(found.path).to_pylist()
    assert aside == [dict.fromkeys(HEAD.split(","), None) | {LINE: broken, REASON: reason}]


def test_the_last_line_may_be_cut(tmp_path: Path) -> None:
    found = set_aside(write(tmp_path, *good(20), '999,"1,2'))
    assert (found.rows, found.quarantined) == (21, 1)


@pytest.mark.parametrize("rows", [20, MANY])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quote_that_swallows_lines_is_refused_and_nothing_is_lost(
    rows: int, end: str, tmp_path: Path
) -> None:
    """DuckDB would count the rows behind it as part of one bad line."""
    path = write(tmp_path, *good(rows), '7,"8', *good(rows))
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    with pytest.raises(DataError, match=r'told apart.*a quote that does not close .*7,"8'):
        read_faulty(path, ENGINE, contract=PLAYS)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, *good(20))
    path.write_bytes(path.read_bytes() + line("é").encode("latin-1"))
    with pytest.raises(DataError, match=r"not utf-8|invalid encoding"):
        read_faulty(path, ENGINE, contract=PLAYS)


def test_a_file_of_bad_lines_alone_is_set_aside_whole(tmp_path: Path) -> None:
    with pytest.raises(EmptyError, match="2 rows, all set aside"):
        set_aside(write(tmp_path, "1,2", "3"))
    assert pd.read_parquet(tmp_path / "aside" / "plays.parquet")[LINE].tolist() == ["1,2", "3"]


KINDS = ["good", "few", "many", "garbage", "naive", "negative", "twice", "blank"]


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=30), st.booleans())
@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_lines_in_are_rows_kept_and_rows_set_aside(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], two_files: bool
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    made = {
        "good": lambda i: line(i),
        "few": lambda i: f"{i},1",
        "many": lambda i: line(i) + ",,8",
        "garbage": lambda i: line(i, at="never", seconds="no"),
        "naive": lambda i: line(i, at="2024-01-01"),
        "negative": lambda i: line(i, seconds=-1),
        "twice": lambda _: line(-1),
        "blank": lambda i: f"{i},,2,2024-01-01 00:00:00Z,,,",
    }
    lines = [made[kind](i) for i, kind in enumerate(kinds)] + ["x", line(-2)]
    half = len(lines) // 2 if two_files else 0
    write(folder, *lines[half:], name="b.csv")
    if half:
        write(folder, *lines[:half], name="a.csv")
    found = set_aside(folder / "*.csv")
    kept = kinds.count("good") + 1 + min(1, kinds.count("twice"))
    assert found.rows == len(lines)
    assert found.kept.count().execute() == kept
    assert found.path is not None
    assert pq.read_metadata(found.path).num_rows == found.quarantined == len(lines) - kept


def test_late_fractions_make_a_column_of_fractions(tmp_path: Path, connection: Backend) -> None:
    """DuckDB would round them, as the first rows are whole numbers."""
    odd = "play_id,user_id,item_id,played_at,seconds,is_bot,order by"
    path = write(tmp_path, *good(MANY), line(-1, seconds=1.5, mood="2.5"), head=odd)
    table = read_table(path, connection, name="plays")
    row = table.filter(table.play_id == -1).to_pyarrow().to_pylist()[0]
    assert (row["seconds"], row["order by"]) == (1.5, 2.5)


@pytest.mark.parametrize("rows", [20, MANY])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("odd", ["two", "2024-01-01", "007"])
def test_ids_are_text_where_one_is_no_number_wherever_it_stands(
    rows: int, last: bool, odd: str, tmp_path: Path
) -> None:
    lines = [*good(rows), line(odd)] if last else [line(odd), *good(rows)]
    table = read_table(write(tmp_path, *lines), ENGINE, name="plays", contract=PLAYS)
    check(table, PLAYS)
    found = table.play_id.to_pyarrow().to_pylist()
    assert sorted(found) == sorted([*map(str, range(rows)), odd])


def test_ids_that_are_dates_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, line("2024-01-01"), line("2024-01-02"))
    check(read_table(path, ENGINE, name="plays", contract=PLAYS), PLAYS)


SHOWN = "impression_id,user_id,item_id,t0,surface,position,viewable,clicked_at"


@pytest.mark.parametrize("rows", [20, MANY])
@pytest.mark.parametrize("last", ["1", "home", "2024-01-01"])
@pytest.mark.parametrize("broken", [False, True])
def test_surfaces_are_text_and_columns_without_words_have_their_kind(
    rows: int, last: str, broken: bool, tmp_path: Path
) -> None:
    lines = [f"{i},1,2,2024-01-01 00:00:00Z,{i % 3},,," for i in range(rows)]
    path = write(tmp_path, *lines, f"-1,1,2,2024-01-01 00:00:00Z,{last},,,", head=SHOWN)
    contract = CONTRACTS["impressions"]
    if broken:
        path.write_text(path.read_text() + "7,8\n")
        faulty = read_faulty(path, ENGINE, contract=contract)
        assert faulty is not None
        table = faulty.table
    else:
        table = read_table(path, ENGINE, name="impressions", contract=contract)
    check(table, contract)
    assert set(table.surface.to_pyarrow().to_pylist()) == {"0", "1", "2", last}


def test_a_zone_may_have_blanks_behind_it(tmp_path: Path) -> None:
    path = write(tmp_path, *good(3), line(-1, at="2024-01-01 00:00:00+00 "))
    table = read_table(path, ENGINE, name="plays", contract=PLAYS)
    assert set(table.played_at.to_pyarrow().to_pylist()) == {datetime(2024, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("seconds", ["5", "5,5"])
@pytest.mark.parametrize(
    ("name", "sign", "said"),
    [("a.csv", ";", "commas"), ("a.csv", "\t", "commas"), ("a.tsv", ";", "tabs")],
)
def test_another_separator_is_told(
    name: str, sign: str, said: str, seconds: str, tmp_path: Path
) -> None:
    lines = [
        line(play).replace(",", sign).replace(f"{sign}5", f"{sign}{seconds}") for play in (1, 2)
    ]
    path = write(tmp_path, *lines, head=HEAD.replace(",", sign), name=name)
    for read in (
        lambda: read_table(path, ENGINE, name="plays", contract=PLAYS),
        lambda: read_faulty(path, ENGINE, contract=PLAYS),
    ):
        with pytest.raises(SchemaError, match=f"plays separated by {said}"):
            read()


def test_a_row_that_looks_like_a_comment_is_a_row(tmp_path: Path, connection: Backend) -> None:
    path = write(tmp_path, *(f"{i},a" for i in range(9)), "#9,a", head="name,b")
    assert read_table(path, connection, name="names").count().execute() == 10


def test_columns_are_matched_by_name_and_missing_ones_are_null(
    tmp_path: Path, connection: Backend
) -> None:
    write(tmp_path, "1,5", head="play_id,seconds", name="a.csv")
    write(tmp_path, "-5.5,2,film", head="seconds,play_id,kind", name="b.csv")
    write(tmp_path, "3", head="play_id", name="c.csv")
    table = read_table(tmp_path, connection, name="plays")
    assert table.order_by("play_id").to_pyarrow().to_pylist() == [
        {"play_id": 1, "seconds": 5.0, "kind": None},
        {"play_id": 2, "seconds": -5.5, "kind": "film"},
        {"play_id": 3, "seconds": None, "kind": None},
    ]


def test_partitions_keep_their_column_when_rows_are_set_aside(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"date=2024-01-0{day}").mkdir()
        write(tmp_path / f"date=2024-01-0{day}", line(day), f"{day}", name="rows.csv")
    with pytest.raises(DataError):
        read_table(tmp_path, ENGINE, name="plays", contract=PLAYS)
    faulty = read_faulty(tmp_path, ENGINE, contract=PLAYS)
    assert faulty is not None
    found = quarantine_rows(faulty, PLAYS, folder=tmp_path / "aside")
    assert found.quarantined == 2
    assert sorted(found.kept.execute()["date"].astype(str)) == ["2024-01-01", "2024-01-02"]


def test_an_empty_file_is_told(tmp_path: Path, connection: Backend) -> None:
    write(tmp_path, *good(3))
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(DataError, match=r"column names in each file.*none\.csv"):
        read_table(tmp_path, connection, name="plays")


@pytest.mark.parametrize("source", [pd.DataFrame({"play_id": [1]}), "plays.parquet"])
def test_only_csv_files_are_taken_apart(source: object, tmp_path: Path) -> None:
    if isinstance(source, str):
        pd.DataFrame({"play_id": [1]}).to_parquet(tmp_path / source)
        source = tmp_path / source
    assert read_faulty(source, ENGINE, contract=PLAYS) is None


def test_what_is_kept_has_the_types_of_a_clean_file(tmp_path: Path) -> None:
    clean = read_table(write(tmp_path, *good(9)), ENGINE, name="plays", contract=PLAYS)
    found = set_aside(write(tmp_path, *good(9), "1,2", line(-1, at="never"), name="faulty.csv"))
    assert found.kept.to_pyarrow().schema == clean.to_pyarrow().schema
    first = found.kept.order_by("play_id").limit(1).to_pyarrow().to_pylist()[0]
    assert first["played_at"] == datetime(2024, 1, 1, tzinfo=UTC)
