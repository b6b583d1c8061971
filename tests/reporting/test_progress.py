"""Bars for long work, and the seconds of each stage."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from causal_ranker.reporting.progress import Stages


def test_a_bar_says_the_stage_and_how_far_it_is() -> None:
    text = io.StringIO()
    stages = Stages(Console(file=text, force_terminal=True, width=100))
    with stages.stage("Counting", total=3) as advance:
        advance()
    with stages.stage("Counting"):
        pass
    assert "Counting" in text.getvalue()
    assert "3/3" in text.getvalue()
    assert list(stages.seconds) == ["Counting"]
    assert stages.seconds["Counting"] > 0


def test_nothing_is_drawn_unless_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    stages = Stages()
    with stages.stage("Counting", total=2) as advance:
        advance()
    assert stages.seconds.keys() == {"Counting"}
    assert capfd.readouterr() == ("", "")
