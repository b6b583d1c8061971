"""What the room hands out cannot be changed, and its defaults are those that are documented."""

from __future__ import annotations

from tests.structure.public import loose_values


def test_values_are_frozen_and_defaults_as_documented() -> None:
    assert loose_values("evaluation") == []
