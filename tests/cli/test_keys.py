"""`causal-ranker keys` and the options of `serve` that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from causal_ranker.serving.http.keys import KeyRing
from tests.cli.calling import Run


def test_a_key_is_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    code, first, err = run("keys", "new", "--file", file, "--note", "shop")
    assert (code, err) == (0, "")
    second = run("keys", "new", "--file", file)[1]
    ring = KeyRing(file)
    assert ring.holds(first.strip())
    code, listed, _ = run("keys", "list", "--file", file)
    assert code == 0
    lines = listed.splitlines()
    assert [line.split("  ")[0] for line in lines] == [key.split("_")[1] for key in (first, second)]
    assert lines[0].endswith("  shop")
    assert first.strip() not in listed
    assert run("keys", "revoke", first.split("_")[1], "--file", file)[0] == 0
    assert not ring.holds(first.strip())
    assert ring.holds(second.strip())
    code, out, err = run("keys", "revoke", "nobody", "--file", file)
    assert (code, out) == (2, "")
    assert "the id of a key" in err


def test_no_file_of_keys(run: Run, tmp_path: Path) -> None:
    code, out, err = run("keys", "list", "--file", tmp_path / "absent.json")
    assert (code, out) == (2, "")
    assert "causal-ranker keys new" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key together"),
        (["--tls-key", "a.pem"], "--tls-cert and --tls-key together"),
        (["--config", "absent.toml"], "a readable TOML file"),
        (["--keys", "absent.json"], "keys in absent.json"),
        (["--host", "0.0.0.0"], "keys for an address that others can reach"),
        (["--upstream", "ftp://x"], "an address such as https"),
    ],
)
def test_options_of_serve_that_cannot_be(
    run: Run,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("serve", "--model", model, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
