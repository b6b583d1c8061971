"""Tables by their owner's names, read as ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from causal_ranker.logs.contract import CONTRACTS, check_candidates, check_impressions
from causal_ranker.logs.mapping import TableSource
from causal_ranker.logs.sources import connect, read_table

NAMES = {C.USER: "member", C.ITEM: "title", C.T0: "shown_at"}
ID = {C.IMPRESSION: ("member", "title", "shown_at")}


def source(folder: Path, text: str, **settings: object) -> TableSource:
    path = folder / "shown.csv"
    path.write_text(text, "utf-8")
    return TableSource(**{"path": str(path), "columns": {**NAMES, **ID}, **settings})


def read(given: TableSource, name: str = "impressions") -> pd.DataFrame:
    table = read_table(given, connect(), name=name, contract=CONTRACTS[name])
    return table.to_pandas().sort_values(C.ITEM, ignore_index=True)


def test_names_ids_of_several_columns_and_rows_that_were_shown(tmp_path: Path) -> None:
    text = (
        "member,title,shown_at,displayed,mood\n"
        "m1,a,2024-03-01T10:00:00Z,1,calm\nm1,b,2024-03-01T10:00:00Z,0,loud\n"
        "m2,c,2024-03-01T11:00:00+01:00,1,calm\n"
    )
    given = source(tmp_path, text, only_if="displayed")
    found = read(given)
    assert list(found[C.ITEM]) == ["a", "c"]
    assert found[C.IMPRESSION].is_unique
    assert found["mood"].tolist() == ["calm", "calm"]  # others keep their names
    assert not {"displayed", "member", "title", "shown_at", "only_if"} & set(found)
    # the second one was written an hour ahead of UTC
    assert found[C.T0].nunique() == 1
    both = source(tmp_path, text, columns={**NAMES, C.SHOWN: "displayed"})
    table = read_table(both, connect(), name="candidates", contract=CONTRACTS["candidates"])
    assert check_candidates(table).count().execute() == 3
    assert read(both, "candidates")[C.SHOWN].tolist() == [True, False, True]


def test_ids_of_several_columns_do_not_run_into_one_another(tmp_path: Path) -> None:
    text = "member,title,shown_at\na,bc,2024-03-01T10:00:00Z\nab,c,2024-03-01T10:00:00Z\n"
    given = source(tmp_path, text, columns={**NAMES, C.IMPRESSION: ("member", "title")})
    table = read_table(given, connect(), name="impressions", contract=CONTRACTS["impressions"])
    assert check_impressions(table).count().execute() == 2


def test_a_naive_clock_stands_where_its_owner_says(tmp_path: Path) -> None:
    text = "member,title,shown_at\nm,a,2024-01-15 12:00:00\nm,b,2024-07-15 12:00:00\n"
    found = read(source(tmp_path, text, time_zone="Europe/Berlin"))
    told = [moment.tz_convert("UTC").isoformat() for moment in found[C.T0]]
    assert told == ["2024-01-15T11:00:00+00:00", "2024-07-15T10:00:00+00:00"]
    with pytest.raises(DataError, match="UTC-aware"):
        check_impressions(
            read_table(
                source(tmp_path, text),
                connect(),
                name="impressions",
                contract=CONTRACTS["impressions"],
            )
        )


@pytest.mark.parametrize(
    ("zone", "shown", "told"),
    [
        ("Europe/Berlin", "2024-03-31 02:30:00", "leaves out"),
        ("Europe/Berlin", "2024-10-27 02:30:00", "shows twice"),
        ("America/New_York", "2024-11-03 01:15:00", "shows twice"),
        ("Australia/Lord_Howe", "2024-04-07 01:45:00", "shows twice"),
    ],
)
def test_hours_that_a_clock_skips_or_repeats_are_no_moment(
    tmp_path: Path, zone: str, shown: str, told: str
) -> None:
    text = f"member,title,shown_at\nm,a,2024-01-15 12:00:00\nm,b,{shown}\n"
    with pytest.raises(RowError, match=told):
        read(source(tmp_path, text, time_zone=zone))
    assert len(read(source(tmp_path, text, time_zone="UTC"))) == 2


def test_a_flag_is_0_or_1(tmp_path: Path) -> None:
    text = "member,title,shown_at,displayed\nm,a,2024-03-01T10:00:00Z,2\n"
    with pytest.raises(RowError, match="0 or 1 in the column 'displayed'"):
        read(source(tmp_path, text, only_if="displayed"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"columns": {"user": "member"}}, "user_id"),
        ({"columns": {"user_id": ""}}, "nobody has decided"),
        ({"columns": {"impression_id": ()}}, "nobody has decided"),
        ({"time_zone": ""}, "nobody has decided"),
        ({"time_zone": "Europe/Berlim"}, "Europe/Berlin"),
        ({"column": {}}, "Is 'columns' meant"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TableSource(**{"path": "x.csv", **settings})


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = "membre,title,shown_at\nm,a,2024-03-01T10:00:00Z\n"
    with pytest.raises(SchemaError, match=r"'member' in impressions.*Is 'membre' meant"):
        read(source(tmp_path, text))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    text = "member,title,shown_at,Title\nm,a,2024-03-01T10:00:00Z,b\n"
    with pytest.raises(SchemaError, match=r"2 columns called"):
        read(source(tmp_path, text))
    # a name that only looks like a second one is fine
    fine = "member,title,shown_at,title_1\nm,a,2024-03-01T10:00:00Z,b\n"
    assert len(read(source(tmp_path, fine))) == 1
