from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from causal_ranker import doctor
from causal_ranker.doctor import Finding, as_section, diagnose, worst
from tests.fresh import loaded_by


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return diagnose()


def test_everything_promised_is_looked_at(findings: list[Finding]) -> None:
    names = [finding.name for finding in findings]
    assert len(names) == len(set(names))
    assert {
        "Python",
        "threads",
        "OpenMP",
        "Java",
        "time zone",
        "this folder",
        "temporary folder",
        "data: Complete Journey",
        "data: CAUSAL_RANKER_DATA",
    } <= set(names)


def test_a_hint_stands_exactly_where_the_line_is_not_green(findings: list[Finding]) -> None:
    for finding in findings:
        assert bool(finding.hint) == (finding.status != "ok"), finding
        assert finding.came


def test_a_missing_openmp_runtime_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert doctor._openmp().status == "ok"
    (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = doctor._openmp()
    assert (found.status, "libgomp1" in found.hint) == ("fail", True)
    assert "libgomp.so.1: cannot open" in found.came


def test_the_demos_data_are_found_where_they_are_installed(findings: list[Finding]) -> None:
    found = next(one for one in findings if one.name == "data: Complete Journey")
    assert found.status == "ok"
    assert found.came.startswith("8 tables")


@pytest.mark.parametrize(
    ("requirement", "installed", "status", "in_hint"),
    [
        ("duckdb<2,>=1.5", "1.5.6", "ok", ""),
        ("duckdb<2,>=1.5", "2.0.0", "fail", "asof_join"),
        ("sqlglot<30.18", "30.18.1", "fail", "Ibis 12"),
        ("numpy<3,>=2.4", "1.26.4", "fail", "pip install 'numpy"),
        ("numpy<3,>=2.4", None, "fail", "pip install 'numpy"),
    ],
)
def test_a_pin_that_is_not_kept_fails(
    requirement: str, installed: str | None, status: str, in_hint: str
) -> None:
    found = doctor._pin(Requirement(requirement), installed)
    assert found.status == status
    assert in_hint in found.hint


def test_extras_are_not_demanded() -> None:
    wanted = ["numpy>=1", "torch>=2 ; extra == 'coldstart'", "absent-on-this-system==0"]
    found = {one.name: one.status for one in doctor._pins(wanted)}
    assert found == {"numpy": "ok", "absent-on-this-system": "fail"}


def test_the_pins_of_the_installed_package_are_kept(findings: list[Finding]) -> None:
    ours = next((one for one in findings if one.name == doctor.DISTRIBUTION), None)
    assert ours is not None
    if ours.status == "ok":
        status = {one.name: one.status for one in findings}
        assert status["duckdb"] == status["sqlglot"] == status["ibis-framework"] == "ok"
    else:
        assert "make .venv" in ours.hint


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        (None, "ok"),
        ("1", "ok"),
        ("2", "ok"),
        ("3", "warn"),
        ("0", "warn"),
        ("many", "warn"),
        ("2,1", "ok"),
    ],
)
def test_threads(limit: str | None, status: str) -> None:
    environment = {} if limit is None else {"OMP_NUM_THREADS": limit}
    assert doctor._threads(2, environment).status == status


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ("no such thing", None),
    ],
)
def test_javas_own_words_are_understood(text: str, version: int | None) -> None:
    assert doctor._java_version(text) == version


def fake_java(folder: Path, version: str) -> dict[str, str]:
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", "utf-8")
    program.chmod(0o755)
    return {"JAVA_HOME": str(folder)}


def test_java_is_only_ever_a_warning(tmp_path: Path) -> None:
    assert doctor._java({"PATH": str(tmp_path)}).status == "warn"
    assert doctor._java({"JAVA_HOME": str(tmp_path)}).status == "warn"
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    assert doctor._java(fake_java(old, "1.8.0")) == Finding(
        "Java",
        "warn",
        "8",
        "Only the extra 'spark' needs it: install Java 17 or 21, or set JAVA_HOME to one.",
    )
    assert doctor._java(fake_java(new, "21.0.2")) == Finding("Java", "ok", "21")


def test_a_folder_that_cannot_be_written_to_fails(tmp_path: Path) -> None:
    assert doctor._writable("x", tmp_path, "Do.").status == "ok"
    assert list(tmp_path.iterdir()) == []
    found = doctor._writable("x", tmp_path / "absent", "Do.")
    assert (found.status, found.hint) == ("fail", "Do.")


def test_the_data_folder(tmp_path: Path) -> None:
    def look(value: str) -> Finding:
        return doctor._data_folder({doctor.DATA_FOLDER: value})

    assert look("").status == "ok"
    assert look(str(tmp_path / "absent")).status == "warn"
    assert look(str(tmp_path)).status == "warn"
    (tmp_path / "hillstrom").mkdir()
    assert look(str(tmp_path)) == Finding(
        "data: CAUSAL_RANKER_DATA", "ok", f"{tmp_path}: hillstrom"
    )


def test_the_worst_counts() -> None:
    good, poor, bad = (Finding("x", status, "y") for status in ("ok", "warn", "fail"))
    assert worst([good, poor, bad, good]) == "fail"
    assert worst([good, poor]) == "warn"
    assert worst([]) == "ok"


def test_the_section_has_a_row_for_each_finding(findings: list[Finding]) -> None:
    (table,) = as_section(findings).blocks
    assert len(table.rows) == len(findings)


def test_nothing_heavy_is_imported() -> None:
    heavy = {"numpy", "pandas", "duckdb", "ibis", "lightgbm", "econml", "matplotlib"}
    assert heavy & loaded_by("from causal_ranker.doctor import diagnose; diagnose()") == set()
