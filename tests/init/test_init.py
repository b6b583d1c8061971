"""What `init` proposes, leaves open and says of a newcomer's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from causal_ranker.chain.project import ProjectConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import CausalRankerError, ConfigError
from causal_ranker.init.start import Start, start
from causal_ranker.logs.sources import connect
from tests.cli.calling import MESSAGE, Run
from tests.init.newcomer import offers, shown_alone, write

TIME = "2024-03-{:02d}T10:00:00Z"
DAYS = range(1, 21)


def small(**more: list[Any]) -> pd.DataFrame:
    """Twenty impressions of twenty members, and what else is asked for."""
    days = [TIME.format(day) for day in DAYS]
    rows = {"member": [f"m{d}" for d in DAYS], "title": [f"t{d % 4}" for d in DAYS]}
    return pd.DataFrame({**rows, "shown_at": days, **more})


def watched(**more: list[Any]) -> pd.DataFrame:
    rows = small().rename(columns={"shown_at": "watched_at"})
    rows["watched_at"] = rows["watched_at"].str.replace("T10", "T11")
    return rows.assign(**more)


def begun(folder: Path, impressions: pd.DataFrame, plays: pd.DataFrame, **given: Any) -> Start:
    paths = dict(zip(("impressions", "plays"), write(folder, impressions, plays), strict=True))
    return start(paths, connect(), **given)


def facts(found: Start, table: str, what: str) -> tuple[str, str, str]:
    (fact,) = (f for f in found.found.facts if (f.table, f.what) == (table, what))
    return fact.state, fact.found, fact.means


def config(found: Start, folder: Path) -> ProjectConfig:
    path = folder / "mine.toml"
    path.write_text(found.text, "utf-8")
    return ProjectConfig.from_toml(path)


def test_a_file_of_offers_is_impressions_and_candidates(tmp_path: Path) -> None:
    found = begun(tmp_path, *offers())
    assert found.found.ready
    settings = config(found, tmp_path)
    impressions, candidates = settings.tables.impressions, settings.tables.candidates
    assert impressions is not None
    assert candidates is not None
    assert impressions.only_if == "displayed"
    assert impressions.columns[C.USER] == "member"
    assert candidates.columns[C.SHOWN] == "displayed"
    assert candidates.columns[C.PROPENSITY] == "chance"
    assert settings.run.k == 4
    assert settings.run.base == "logged"
    assert str(settings.run.holdout_from) == "2025-02-03 00:00:00+00:00"
    # every proposal stands there with its reason
    for table in (impressions, candidates):
        for ours, theirs in table.columns.items():
            assert f"\n{ours} = {json.dumps(theirs)}  # " in found.text
    offered, seen = offers()
    shown = offered[offered["displayed"] == 1]
    keys = ["member", "title"]
    pairs = shown.merge(seen, on=keys)
    after = pd.to_datetime(pairs["watched_at"]) - pd.to_datetime(pairs["shown_at"])
    played = pairs[(after >= pd.Timedelta(0)) & (after < pd.Timedelta(hours=24))]
    count = len(played[[*keys, "shown_at"]].drop_duplicates())
    assert facts(found, "both", "share played")[1].startswith(f"{count} of {len(shown):,} ")


def test_impressions_alone_leave_the_candidates_to_their_owner(tmp_path: Path) -> None:
    found = begun(tmp_path, *shown_alone())
    assert not found.found.ready
    state, _, means = facts(found, "uses", "label, fit, evaluate")
    assert state == "decide"
    assert "every_item = true" in means
    settings = config(found, tmp_path)
    assert settings.run.every_item is False
    assert settings.run.base == "boosted"
    assert settings.base_first_days == 9
    assert facts(found, "uses", "attribute")[0] == "ok"


def test_two_columns_that_fit_alike_are_never_guessed(tmp_path: Path) -> None:
    both = small(member_id=[f"m{d}" for d in reversed(DAYS)])
    found = begun(tmp_path, both, watched())
    state, came, means = facts(found, "impressions", C.USER)
    assert (state, came) == ("decide", "open")
    assert "'member_id'" in means
    assert "'member'" in means
    assert "# DECIDE: user_id" in found.text
    with pytest.raises(ConfigError, match="nobody has decided"):
        config(found, tmp_path)
    # values tell where names do not: only one of them is known to the other log
    one = begun(tmp_path, small(member_id=[f"x{d}" for d in DAYS]), watched())
    assert facts(one, "impressions", C.USER)[:2] == ("ok", "member")
    assert "by its values" in facts(one, "impressions", C.USER)[2]
    said = begun(tmp_path, both, watched(), said={("impressions", C.USER): "member"})
    assert facts(said, "impressions", C.USER)[0] == "ok"


def test_ids_without_a_telling_name_are_known_by_those_of_the_other_log(tmp_path: Path) -> None:
    found = begun(tmp_path, small().rename(columns={"member": "who", "title": "what"}), watched())
    for column, theirs in ((C.USER, "who"), (C.ITEM, "what")):
        assert facts(found, "impressions", column)[:2] == ("ok", theirs)
    assert "by its values: 100% of its values are in 'member' of plays" in found.text
    # a second column of the same values: nobody can tell
    twice = small().rename(columns={"member": "who"}).assign(host=lambda t: t["who"])
    assert facts(begun(tmp_path, twice, watched()), "impressions", C.USER)[0] == "decide"


def test_values_alone_ask_of_a_chance_and_of_a_flag(tmp_path: Path) -> None:
    odd = small(odds=[0.25] * 19 + [0.5], mark=[0, 1] * 10)
    found = begun(tmp_path, odd, watched())
    assert facts(found, "impressions", C.PROPENSITY)[0] == "note"
    assert '# propensity = ""' in found.text
    assert '# only_if = ""' in found.text
    settings = config(found, tmp_path).tables.impressions
    assert settings is not None
    assert C.PROPENSITY not in settings.columns
    assert settings.only_if is None
    # the right name with values that are no chances is no chance
    wrong = begun(tmp_path, small(chance=[1.5] * 19 + [0.5]), watched())
    assert not [f for f in wrong.found.facts if f.what == C.PROPENSITY]


def test_a_clock_without_a_zone_is_for_its_owner_to_place(tmp_path: Path) -> None:
    naive = small().assign(shown_at=lambda t: t["shown_at"].str.removesuffix("Z"))
    found = begun(tmp_path, naive, watched())
    assert facts(found, "impressions", "time zone")[0] == "decide"
    with pytest.raises(ConfigError, match="nobody has decided"):
        config(found, tmp_path)
    placed = begun(tmp_path, naive, watched(), time_zone="Europe/Berlin")
    assert facts(placed, "impressions", "time zone")[0] == "note"
    settings = config(placed, tmp_path).tables
    assert settings.impressions is not None
    assert settings.plays is not None
    assert settings.impressions.time_zone == "Europe/Berlin"
    assert settings.plays.time_zone is None
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        begun(tmp_path, naive, watched(), time_zone="Europe/Berlinn")


def test_doubled_rows_are_counted_and_no_id_is_made_of_them(tmp_path: Path) -> None:
    twice = pd.concat([small(), small().iloc[:3]])
    found = begun(tmp_path, twice, watched())
    state, _, means = facts(found, "impressions", C.IMPRESSION)
    assert state == "decide"
    assert "3 rows repeat 'member', 'title', 'shown_at'" in means


def test_ids_that_never_join_are_broken(tmp_path: Path) -> None:
    found = begun(tmp_path, small(), watched(member=[f"other{d}" for d in DAYS]))
    state, came, means = facts(found, "both", C.USER)
    assert (state, came) == ("broken", "20 of 20 in plays are in no impression")
    assert "never join" in means
    numbers = begun(tmp_path, small(), watched(member=list(DAYS)))
    assert facts(numbers, "both", C.USER)[0] == "broken"


def test_missing_values_and_short_logs_are_told(tmp_path: Path) -> None:
    gaps = small(position=[1, None, *range(3, 21)])
    assert facts(begun(tmp_path, gaps, watched()), "impressions", "missing values")[:2] == (
        "note",
        "position: 1 rows",
    )
    short = begun(tmp_path, small().head(5), watched().head(5))
    assert facts(short, "uses", "evaluate, fit")[0] == "broken"
    lacking = small().assign(member=[None] + [f"m{d}" for d in range(2, 21)])
    state, _, means = facts(begun(tmp_path, lacking, watched()), "impressions", "contract")
    assert state == "broken"
    assert "a value in every row" in means


def test_names_are_known_however_they_are_written(tmp_path: Path) -> None:
    written = small().rename(columns={"member": "memberId", "shown_at": "Shown At"})
    found = begun(tmp_path, written, watched())
    assert facts(found, "impressions", C.USER)[1] == "memberId"
    assert facts(found, "impressions", C.T0)[1] == "Shown At"


def spoil(folder: Path, content: bytes) -> list[str]:
    paths = write(folder, small(), watched())
    Path(paths[0]).write_bytes(content)
    return paths


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "nothing in"),
        (b"member,title,shown_at\n", "at least one row in impressions"),
        ("member,title,shown_at\n1,é,2024-03-01T10:00:00Z\n".encode("latin-1"), "UTF-8"),
        ("member,title,shown_at\n1,a,2024-03-01T10:00:00Z\n".encode("utf-16"), "UTF-8"),
        (b"member,title,shown_at,member\n1,a,2024-03-01T10:00:00Z,2\n", "2 columns called"),
    ],
    ids=["empty", "names alone", "latin-1", "utf-16", "doubled header"],
)
def test_files_that_cannot_be_read_are_told_in_one_line(
    run: Run, tmp_path: Path, content: bytes, told: str
) -> None:
    out = tmp_path / "mine.toml"
    code, printed, error = run("init", *spoil(tmp_path, content), "--out", out)
    assert (code, printed) == (2, "")
    assert MESSAGE.fullmatch(error.strip()), error
    assert told in error
    assert not out.exists()


def test_the_command_says_what_is_open_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    paths = write(tmp_path, small(), watched().drop(columns="title"))
    out = tmp_path / "mine.toml"
    code, printed, _ = run("init", *paths, "--out", out, "--json")
    told = json.loads(printed)
    assert (code, told["ready"], told["settings"]) == (1, False, str(out))
    open_ = {
        (each["table"], each["what"]) for each in told["checklist"] if each["state"] == "decide"
    }
    assert ("plays", C.ITEM) in open_
    code, _, error = run("init", *paths, "--out", out)
    assert code == 2
    assert "File exists" in error
    code, _, error = run("attribute", "--config", out)
    assert code == 2
    assert MESSAGE.fullmatch(error.strip()), error
    assert "nobody has decided" in error


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("impressions.user_id", "TABLE.OURS=THEIRS"),
        ("impression.user_id=member", "'impressions'"),
        ("impressions.user=member", "Is 'user_id' meant"),
        ("impressions.user_id=membre", "Is 'member' meant"),
    ],
)
def test_what_is_said_wrongly_is_one_line(run: Run, tmp_path: Path, word: str, told: str) -> None:
    paths = write(tmp_path, small(), watched())
    code, _, error = run("init", *paths, "--column", word, "--out", tmp_path / "x.toml")
    assert code == 2
    assert MESSAGE.fullmatch(error.strip()), error
    assert told in error


def test_the_settings_name_what_each_command_lacks(run: Run, tmp_path: Path) -> None:
    found = begun(tmp_path, *shown_alone())
    path = tmp_path / "mine.toml"
    path.write_text(found.text, "utf-8")
    code, _, error = run("evaluate", "--config", path, "--out", tmp_path / "report")
    assert code == 2
    assert MESSAGE.fullmatch(error.strip()), error
    assert "every_item = true" in error
    code, _, error = run("attribute")
    assert code == 2
    assert "[tables.impressions]" in error


def test_it_reads_and_leaves_the_tables(tmp_path: Path) -> None:
    paths = write(tmp_path, small(), watched())
    before = [Path(path).read_bytes() for path in paths]
    start(dict(zip(("impressions", "plays"), paths, strict=True)), connect())
    assert [Path(path).read_bytes() for path in paths] == before


def test_errors_are_ours() -> None:
    with pytest.raises(CausalRankerError):
        start({"impressions": "absent.csv", "plays": "absent.csv"}, connect())
