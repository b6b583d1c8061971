"""Errors say three things, wherever they were raised."""

from __future__ import annotations

import pickle

import pytest

from causal_ranker import errors

KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_another_process_comes_home_whole(kind: type[errors.CausalRankerError]) -> None:
    raised = kind(expected="rows", came="none", do="Give some.")
    found = pickle.loads(pickle.dumps(raised))
    assert type(found) is kind
    assert (found.expected, found.came, found.do) == ("rows", "none", "Give some.")
    assert str(found) == str(raised) == "expected rows; got none. Give some."
