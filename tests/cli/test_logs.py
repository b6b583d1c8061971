"""The commands on log files: what they write is what the rooms say."""

from __future__ import annotations

import html
import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker import CausalRanker
from causal_ranker.columns import Columns as C
from causal_ranker.errors import OverlapError
from causal_ranker.runs.record import read_run
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.worlds.logs import WorldLogs
from tests.cli.calling import MESSAGE, TABLES, Files, Run

MOMENT = "2025-01-07T00:00:00+00:00"
LIMITS = ("--threads", 1, "--memory", "1GiB")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_credits_are_written(
    run: Run,
    files: Files,
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
    suffix: str,
) -> None:
    target = tmp_path / "new" / f"credits.{suffix}"
    words = [*files(suffix)[:4], *LIMITS, "--touch", "linear"]
    code, out, _ = run("attribute", *words, "--out", target)
    assert code == 0
    assert str(target) in out.replace("\n", "")
    credits = pd.read_parquet(target) if suffix == "parquet" else pd.read_csv(target)
    assert sorted(credits[C.PLAY].unique()) == sorted(tables["plays"][C.PLAY])
    np.testing.assert_allclose(credits.groupby(C.PLAY)[C.CREDIT].sum(), 1.0)
    organic = int(credits[C.IMPRESSION].isna().sum())
    assert 0 < organic < len(tables["plays"])
    assert re.search(rf"organic +{organic:,}\b", out)
    record = target.with_name(f"{target.name}.run.json")
    assert sorted(target.parent.iterdir()) == [target, record]


def test_learned_shares_of_surfaces_are_told_and_used(
    run: Run, files: Files, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    target = tmp_path / "credits.parquet"
    arguments = ("--touch", "shapley", "--window-hours", "72", "--out", target)
    code, out, _ = run("attribute", *files()[:4], *arguments)
    assert code == 0
    shown = tables["impressions"]
    names = sorted(shown[C.SURFACE].unique())
    seen = re.search(rf"^ *{names[0]} +([\d,]+) +([\d,]+) +{names[0]} 100%", out, re.MULTILINE)
    assert seen is not None
    assert 0 < int(seen[2].replace(",", "")) < int(seen[1].replace(",", "")) <= len(shown)
    credits = pd.read_parquet(target)
    np.testing.assert_allclose(credits.groupby(C.PLAY)[C.CREDIT].sum(), 1.0)
    assert credits[C.CREDIT].between(0, 1).all()


def test_labels_are_written(
    run: Run,
    files: Files,
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
) -> None:
    target = tmp_path / "labels.parquet"
    end = tables["candidates"][C.T0].min() + timedelta(days=3)
    code, out, _ = run("label", *files(), "--log-end", end.isoformat(), "--out", target)
    assert code == 0
    labels = pd.read_parquet(target)
    whole = tables["candidates"][C.HORIZON_END] <= end
    assert len(labels) == whole.sum()
    assert 0 < whole.sum() < whole.size
    shown = tables["candidates"][C.SHOWN]
    counts = ((~whole & shown).sum(), (~whole & ~shown).sum())
    assert re.search(rf"censored +{counts[0]:,} +{counts[1]:,}\b", out)
    plays, rows = tables["plays"], labels.merge(tables["plays"], on=[C.USER, C.ITEM])
    inside = (rows[C.PLAYED_AT] >= rows[C.T0]) & (rows[C.PLAYED_AT] < rows[C.HORIZON_END])
    assert labels[C.OUTCOME].sum() == len(rows[inside].drop_duplicates([C.USER, C.ITEM, C.T0]))
    assert len(plays) > labels[C.OUTCOME].sum() > 0
    seen = pd.concat(
        [
            tables["impressions"][[C.USER, C.T0]].rename(columns={C.T0: "moment"}),
            plays[[C.USER, C.PLAYED_AT]].rename(columns={C.PLAYED_AT: "moment"}),
        ]
    )
    again = labels[[C.USER, C.ITEM, C.T0, C.HORIZON_END]].merge(seen, on=C.USER)
    again = again[(again["moment"] > again[C.T0]) & (again["moment"] < again[C.HORIZON_END])]
    present = labels.merge(again.drop_duplicates([C.USER, C.ITEM, C.T0]), how="left")["moment"]
    assert labels["present_after"].tolist() == present.notna().tolist()
    assert 0 < labels["present_after"].mean() < 1


def test_controls_are_sampled_where_nobody_logged_candidates(
    run: Run, files: Files, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    items, target = tmp_path / "items.parquet", tmp_path / "labels.parquet"
    catalogue = pd.DataFrame({C.ITEM: range(30)})
    catalogue.to_parquet(items)
    words = files()
    without = [w for i, w in enumerate(words) if "--candidates" not in (w, words[i - 1])]
    code, out, _ = run(
        "label",
        *without,
        "--items",
        items,
        "--controls",
        10,
        "--horizon-hours",
        24,
        "--out",
        target,
    )
    assert code == 0
    labels = pd.read_parquet(target)
    rate = 1 - (1 - 1 / 30) ** 10
    controls = labels[labels["treatment"] == 0]
    np.testing.assert_allclose(controls["sampling_weight"], 1 / rate, rtol=1e-6)
    assert (labels["sampling_weight"][labels["treatment"] == 1] == 1).all()
    requests = len(labels[[C.USER, C.T0]].drop_duplicates())
    assert len(controls) == pytest.approx(requests * 26 * rate, rel=0.1)
    shown = set(map(tuple, tables["impressions"][[C.USER, C.ITEM, C.T0]].to_numpy()))
    assert not shown & set(map(tuple, controls[[C.USER, C.ITEM, C.T0]].to_numpy()))
    assert re.search(rf"could have been +{100 * rate:.3g} %", out.replace("\n", " "))
    for words in ([*without], [*files(), "--controls", 5], [*without, "--items", items]):
        code, _, err = run("label", *words)
        assert code == 2
        assert MESSAGE.fullmatch(err.strip().replace("\n", " "))
        assert "either --candidates, or --items and --controls" in err.replace("\n", " ")


def test_labels_are_thinned(run: Run, files: Files, tmp_path: Path) -> None:
    target = tmp_path / "labels.parquet"
    code, out, _ = run("label", *files(), "--thin", "--out", target)
    assert code == 0
    kept = len(pd.read_parquet(target))
    assert re.search(rf"thinned: {kept:,} of [\d,]+ rows stay\.", out)
    assert re.search(r"shown again inside the horizon, of labelled rows +[\d.]+ %", out)


def test_items_say_what_could_be_played(
    run: Run, files: Files, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    ids = sorted(tables["candidates"][C.ITEM].unique())
    until = pd.Series([tables["candidates"][C.T0].min()] * len(ids)).where(pd.Series(ids) < 10)
    items, target = tmp_path / "items.parquet", tmp_path / "labels.parquet"
    pd.DataFrame({C.ITEM: ids, "available_until": until}).to_parquet(items)
    code, _, _ = run("label", *files(), "--items", items, "--out", target)
    assert code == 0
    labels = pd.read_parquet(target)
    gone = labels[C.ITEM] < 10
    assert (labels[gone]["label_kind"] == "unplayable").any()
    assert not (labels[~gone]["label_kind"] == "unplayable").any()
    assert not (labels[gone]["label_kind"] == "true_negative").any()


@pytest.mark.slow
def test_a_model_is_fitted_and_ranks_a_list(
    run: Run, month: tuple[WorldLogs, list[str]], tmp_path: Path
) -> None:
    logs, words = month
    folder = tmp_path / "model"
    code, out, err = run("fit", *words, "--log-end", logs.log_end.isoformat(), "--out", folder)
    assert (code, err) == (0, "")
    rows = (logs.candidates[C.HORIZON_END] <= logs.log_end).sum()
    assert re.search(rf"candidates in the fit logs +{rows:,}\b", out)
    policy = load_bundle(folder).policy.kind
    assert f"policy: {policy}\n" in out

    last = logs.candidates[logs.candidates[C.T0] == logs.candidates[C.T0].max()]
    last = last[last[C.USER] == last[C.USER].iloc[0]]
    offer = tmp_path / "offer.csv"
    last[[C.ITEM, C.BASE_SCORE]].to_csv(offer, index=False)
    user = int(last[C.USER].iloc[0])
    code, out, _ = run(
        "rerank", "--model", folder, "--user", user, "--candidates", offer, "--json", "--k", 12
    )
    assert code == 0
    said = json.loads(out)
    assert sorted(row[C.ITEM] for row in said["items"]) == sorted(last[C.ITEM])
    assert said["fallback"] is None
    # the base scores came with the logs, so there is no base model to ask
    code, _, err = run("rerank", "--model", folder, "--user", user)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


@pytest.mark.slow
def test_evaluation_learns_before_the_cut_and_reports_after_it(
    run: Run, month: tuple[WorldLogs, list[str]], tmp_path: Path
) -> None:
    logs, words = month
    past, later = logs.split(last_days=6)
    given = (
        "evaluate",
        *words,
        *("--holdout-from", past.log_end.isoformat(), "--log-end", logs.log_end.isoformat()),
        *("--out", str(tmp_path / "a report")),
    )
    code, out, err = run(*given)
    assert (code, err) == (0, "")
    ranker = CausalRanker(k=4).fit(
        past.impressions,
        past.plays,
        candidates=past.candidates,
        users=past.users,
        items=past.items,
        log_end=past.log_end,
    )
    report = ranker.evaluate(
        later.impressions, later.plays, candidates=later.candidates, log_end=later.log_end
    )
    assert report.document.verdict in out
    for policy in ("random", "popularity", "base", "uplift", "blend"):
        assert re.search(rf"^ *{policy} ", out, re.MULTILINE)
    page = (tmp_path / "a report" / "report.html").read_text("utf-8")
    shown = html.unescape(page).replace("\N{MINUS SIGN}", "-")
    assert report.document.verdict.split(". ")[0] in shown
    told = json.loads((tmp_path / "a report" / "report.json").read_text("utf-8"))
    assert told["figures"] == json.loads(report.to_json())["figures"]
    # the same parts, and in the last the command in place of the call
    titles = [section["title"] for section in told["sections"]]
    assert titles == [section.title for section in report.document.sections]
    command, _, files, _ = told["sections"][-1]["blocks"]
    first, *rest = shlex.split(command["text"])
    assert (first, rest[0]) == ("causal-ranker", "evaluate")
    pairs = [dict(zip(each[1::2], each[2::2], strict=True)) for each in (rest, given)]
    assert pairs[0] == pairs[1]
    assert [row[0] for row in files["rows"]] == [*TABLES, "users", "items"]
    assert files["rows"][0][3] == Path(words[1]).stat().st_size
    record = read_run(tmp_path / "a report")
    assert record.settings["config"] == ranker.config_.model_dump(mode="json")  # as it was found
    assert record.inputs["candidates"]["rows"] == len(logs.candidates)
    assert record.figures["verdict"] == report.document.verdict


def test_a_refusal_is_written_where_an_older_report_was(
    run: Run, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OverlapError(expected="two arms", came="one", do="Explore.")

    monkeypatch.setattr(CausalRanker, "fit", refuse)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("report.html", "report.json"):
        (out / name).write_text("+9 plays", encoding="utf-8")
    words = ("evaluate", *files(), "--holdout-from", MOMENT, "--out", str(out))
    code, said, err = run(*words)
    assert (code, err) == (2, "error: expected two arms; got one. Explore.\n")
    assert f"report: {out / 'report.html'}" in said.replace("\n", "")
    page = html.unescape((out / "report.html").read_text("utf-8"))
    assert "so no figure is given: expected two arms; got one." in page
    assert "+9 plays" not in page
    assert [path.name for path in out.iterdir()] == ["report.html"]
    # whoever wants to see it again finds the command
    assert shlex.join(["causal-ranker", *words]) in page


def test_bad_rows_are_set_aside_on_request(
    run: Run, files: Files, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    def late(plays: pd.DataFrame) -> pd.DataFrame:
        return plays.assign(seconds=[-1.0, -2.0, *[60.0] * (len(plays) - 2)])

    aside, whole = tmp_path / "aside", len(tables["plays"])
    clean, dirty = tmp_path / "clean.parquet", tmp_path / "dirty.parquet"
    words = files(plays=late)
    assert run("label", *words)[0] == 2  # refused, unless asked otherwise
    code, out, _ = run("label", *words, "--quarantine", aside, "--out", dirty)
    assert code == 0
    assert f"plays: 2 of {whole:,} rows set aside" in out.replace("\n", " ")
    assert "impressions: 0 of" in out
    bad = pd.read_parquet(aside / "plays.parquet")
    assert sorted(bad[C.PLAY]) == sorted(tables["plays"][C.PLAY].iloc[:2])
    assert [path.name for path in aside.iterdir()] == ["plays.parquet"]
    # The labels are those of a log that never held these rows.
    assert run("label", *files(plays=lambda p: late(p).iloc[2:]), "--out", clean)[0] == 0
    key = [C.USER, C.ITEM, C.T0]
    found, expected = (pd.read_parquet(p).sort_values(key) for p in (dirty, clean))
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected.reset_index(drop=True), check_like=True
    )
    code, _, _ = run("attribute", *files(plays=late)[:4], "--quarantine", aside)
    assert code == 0
    assert (aside / "plays-2.parquet").exists()


def test_labels_are_described(run: Run, files: Files, tables: dict[str, pd.DataFrame]) -> None:
    code, out, _ = run("label", *files())
    assert code == 0
    for title in ("Label counts", "Shares", "Labels by day"):
        assert title in out
    assert "Labels by surface" not in out
    first = tables["candidates"][C.T0].min().date()
    assert str(first) in out
    assert re.search(r"censored, of all rows +\d", out)
    moved = files(plays=lambda p: p.assign(item_id=p["item_id"] + 1_000_000))
    code, out, _ = run("label", *moved)
    assert code == 0
    assert "Warning: No row has an outcome" in out.replace("\n", " ")
    assert re.search(r"organic, of all outcomes +none", out)


def test_determined_rows_are_kept_on_request(run: Run, files: Files, tmp_path: Path) -> None:
    found = {}
    for censoring in ("drop", "weight"):
        target = tmp_path / f"{censoring}.parquet"
        code, _, _ = run("label", *files(), "--censoring", censoring, "--out", target)
        assert code == 0
        found[censoring] = pd.read_parquet(target)
    assert (found["drop"]["censoring_weight"] == 1).all()
    assert (found["weight"]["censoring_weight"] >= 1).all()
    assert len(found["weight"]) >= len(found["drop"])
