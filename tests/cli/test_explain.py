"""The commands ``explain-config`` and ``completion``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import MESSAGE, Run, environment


def test_a_setting_with_its_value_meaning_and_range(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[run]\nk = 4\n", "utf-8")
    code, out, _ = run("explain-config", file, "--key", "run.k")
    assert code == 0
    assert out.splitlines() == [
        "run.k = 4  (given; the default is 10)",
        "    Slots of a slate.",
        "    May be: a whole number, 1 or more.",
    ]
    _, out, _ = run("explain-config", file, "--json")
    told = {each["key"]: each for each in json.loads(out)["settings"]}
    assert (told["run.k"]["value"], told["run.k"]["given"]) == (4, True)
    assert told["features.windows_days"]["given"] is False
    rule = "windows_days ascending, distinct and at least 1"
    assert rule in told["features.windows_days"]["refused"]


@pytest.mark.parametrize("of", ["serve", "monitor", "experiment"])
def test_settings_of_other_commands(run: Run, of: str) -> None:
    code, out, _ = run("explain-config", "--of", of)
    assert code == 0
    assert "May be" in out


def test_what_a_file_has_to_say_is_told_without_one(run: Run, tmp_path: Path) -> None:
    words = ("explain-config", "--of", "experiment", "--key", "metrics[0].column")
    code, out, _ = run(*words)
    assert code == 0
    assert out.splitlines()[0] == "metrics[0].column = null  (has to be given)"
    _, out, _ = run("explain-config", "--of", "experiment", "--json")
    told = {each["key"]: each for each in json.loads(out)["settings"]}
    assert {key for key, each in told.items() if each["required"]} == {"metrics[0].column"}
    assert told["level"]["value"] == 0.95
    file = tmp_path / "test.toml"
    file.write_text("[[metrics]]\ncolumn = 'plays'\n", "utf-8")
    _, out, _ = run("explain-config", file, *words[1:])
    assert out.splitlines()[0] == 'metrics[0].column = "plays"  (given)'


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("[tables.plays]\npath = 'x.csv'\n[tables.plays.columns]\nuser = 'u'\n", [], "user_id"),
        ("[runs]\nk = 4\n", [], "Is 'run' meant"),
        ("[run]\nholdout_form = 4\n", [], "Is 'holdout_from' meant"),
        ("[run]\nk = 0\n", [], "RunConfig; got k = 0"),
        ("[run\n", [], "readable TOML"),
        ("", ["--key", "rum"], "Is 'run' meant"),
    ],
)
def test_a_file_that_is_refused_is_one_line(
    run: Run, tmp_path: Path, text: str, words: list[str], told: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    code, out, error = run("explain-config", file, *words)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(error.strip()), error
    assert told in error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run: Run, shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_CAUSAL_RANKER_COMPLETE" in out
    assert f"complete_{shell}" in out


def test_the_script_of_bash_completes(run: Run, tmp_path: Path) -> None:
    """Bash itself runs the script, and the program answers it."""
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash")[1], "utf-8")
    program = tmp_path / "causal-ranker"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m causal_ranker "$@"\n', "utf-8")
    program.chmod(0o755)
    asked = (
        f'source "{script}"; COMP_WORDS=(causal-ranker expl); COMP_CWORD=1; '
        '_causal_ranker_completion causal-ranker; echo "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        env={**environment(), "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.split() == ["explain-config"], done.stderr


def test_another_shell_is_refused(run: Run) -> None:
    assert run("completion", "tcsh")[0] == 2
