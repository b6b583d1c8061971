"""A bundle is verified in a process of its own, which may die of it."""

from __future__ import annotations

import errno
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.verify import UnverifiedError, may_pass, verify_bundle
from tests.fresh import run_fresh
from tests.serving.shop import Shop

MODELS = ("uplift.txt", "base.txt")


def test_each_check_is_told(published: Path) -> None:
    told = dict(verify_bundle(published, timeout_s=60))
    version = load_bundle(published).version
    assert told["version"].startswith(f"{version}, written 20")
    assert set(told) == {
        "version",
        "format",
        "files",
        *(f"{kind} rows of {name}" for kind in ("golden", "random") for name in MODELS),
    }


def test_publishing_goes_through_it(shop: Shop, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "shop")
    version = registry.publish(shop.contents)
    wrong = replace(shop.contents.uplift, golden_expected=shop.contents.uplift.golden_expected + 1)
    with pytest.raises(BundleError, match=r"golden predictions of uplift\.txt") as caught:
        registry.publish(replace(shop.contents, uplift=wrong))
    assert "\n" not in str(caught.value)
    assert caught.value.do == "Publish the bundle again from the trained model."
    assert [each.version for each in registry.versions()] == [version]


@pytest.mark.parametrize(
    ("code", "told", "passes"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its end by SIGSEGV", False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its end by SIGKILL", True),
        ("import time; time.sleep(60)", "no end within 0.4 s", True),
        ("import sys; sys.exit('no room')", "exit code 1 and 'SystemExit: no room'", False),
        ("import sys; sys.exit('x.so: Cannot allocate memory')", "Cannot allocate memory", True),
        # an answer does not count of a process that came to harm afterwards
        ("import atexit, os; atexit.register(os._exit, 9)", "exit code 9", False),
    ],
)
def test_a_process_that_comes_to_harm_has_verified_nothing(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    told: str,
    passes: bool,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    limit = 0.4 if "sleep" in code else 60
    with pytest.raises(BundleError, match="that a process can load and score with") as caught:
        verify_bundle(published, timeout_s=limit)
    assert told in str(caught.value)
    assert isinstance(caught.value, UnverifiedError) == may_pass(caught.value) == passes
    assert "\n" not in str(caught.value)


def test_a_machine_without_room_for_a_process(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UnverifiedError, match="a process to verify the bundle in"):
        verify_bundle(published, timeout_s=60)


@pytest.mark.parametrize(("number", "passes"), [(errno.EMFILE, True), (errno.ENOENT, False)])
def test_a_file_that_cannot_be_read_now_is_told_from_one_that_is_not_there(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "def unread(self):\n"
        f"    raise OSError({number}, 'not now', str(self))\n"
        "Path.read_bytes = unread\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BundleError, match="not now") as caught:
        verify_bundle(published, timeout_s=60)
    assert isinstance(caught.value, UnverifiedError) == passes


ALONE = """
import sys, time
from causal_ranker.serving import probe
if sys.argv[2] == "hang":
    probe.probe = lambda folder: time.sleep(60)
probe.main(sys.argv[1], sys.argv[3])
print(*(name for name in ("pandas", "sklearn", "pyarrow") if sys.modules.get(name)), end="")
"""


@pytest.mark.parametrize(("way", "seconds"), [("work", "60"), ("hang", "1")])
def test_a_child_imports_little_and_outlives_nobody_for_long(
    published: Path, way: str, seconds: str
) -> None:
    done = run_fresh(ALONE, published, way, seconds)
    assert done.returncode == (0 if way == "work" else -signal.SIGALRM)
    assert done.stderr == ""  # where what is printed goes, so that the answer stands alone
