"""The public surface is explicit: sorted, complete, importable and documented."""

from __future__ import annotations

import inspect

import pytest

import causal_ranker
from causal_ranker.columns import Columns
from tests.structure.public import (
    defined_names,
    documented,
    documented_defaults,
    load,
    module_names,
    own_parameters,
    public_objects,
    real_defaults,
    sections,
)

# `__main__` runs the program on import, and has nothing to export.
MODULES = [name for name in module_names() if not name.endswith("__main__")]


def in_order(names: list[str]) -> list[str]:
    """Sort as ruff's RUF022 does: CONSTANTS, then Classes, then the rest."""

    def key(name: str) -> tuple[int, str]:
        kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
        return kind, name

    return sorted(names, key=key)


def complaints(value: object) -> list[str]:
    """What a docstring lacks, in words."""
    text = value.__doc__
    if not text or not text.strip():
        return ["no docstring"]
    first = inspect.cleandoc(text).splitlines()[0]
    found = sections(text)
    wrong = []
    if not first.rstrip().endswith((".", ":", "?")):
        wrong.append(f"the summary line does not end a sentence: {first!r}")
    named = documented(found.get("Parameters", "")) | documented(found.get("Attributes", ""))
    missing = own_parameters(value) - named
    if missing:
        wrong.append(f"parameters without a line: {sorted(missing)}")
    if inspect.isclass(value):
        return wrong
    hint = inspect.signature(value).return_annotation  # type: ignore[arg-type]
    returns = str(hint) not in {"None", "<class 'inspect._empty'>", "NoReturn"}
    if returns and not {"Returns", "Yields"} & found.keys():
        wrong.append("no Returns section")
    return wrong


def test_the_package_exports_what_it_promises() -> None:
    assert causal_ranker.__all__ == in_order(causal_ranker.__all__)
    assert set(causal_ranker._LAZY) | {"__version__"} == set(causal_ranker.__all__)
    for name in causal_ranker.__all__:
        assert getattr(causal_ranker, name) is not None
        assert name in dir(causal_ranker)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Ranker'"):
        _ = causal_ranker.Ranker


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_complete(name: str) -> None:
    module = load(name)
    assert module.__doc__, f"{name} has no docstring"
    exported = getattr(module, "__all__", [])
    assert exported == in_order(exported), f"{name}.__all__ is not sorted"
    assert len(exported) == len(set(exported))
    forgotten = set(defined_names(module)) - set(exported)
    assert not forgotten, f"public in {name}, absent from its __all__: {sorted(forgotten)}"
    for member in exported:
        assert hasattr(module, member), f"{name}.__all__ names '{member}', which is not there"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_documented(name: str) -> None:
    module = load(name)
    if not hasattr(module, "__all__"):
        assert not defined_names(module)
        return
    wrong = {
        where: found for where, value in public_objects(module) if (found := complaints(value))
    }
    assert wrong == {}


def test_column_names_are_unique() -> None:
    names = [value for key, value in vars(Columns).items() if key.isupper()]
    assert len(names) == len(set(names)) > 20


def _good(x: int, *, y: int) -> int:
    """Add two numbers.

    Parameters
    ----------
    x, y : int
        The numbers.

    Returns
    -------
    int
        Their sum.
    """
    return x + y


def _bare(x: int) -> int:
    return x


def _half(x: int, *, y: int) -> int:
    """Add two numbers.

    Parameters
    ----------
    x : int
        One of them.
    """
    return x + y


class _Silent:
    """Holds a number."""

    def __init__(self, number: int) -> None:
        self.number = number


def _said(x: int, *, y: int = 2) -> int:
    """Add two numbers.

    Parameters
    ----------
    x : int
        One of them.
    y : int, default 3
        The other.

    Returns
    -------
    int
        Their sum.
    """
    return x + y


def test_documented_defaults_are_read() -> None:
    assert documented_defaults(_said) == {"y": 3}
    assert real_defaults(_said)["y"] == 2
    assert documented_defaults(_good) == {}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (_good, []),
        (_bare, ["no docstring"]),
        (_half, ["parameters without a line: ['y']", "no Returns section"]),
        (_Silent, ["parameters without a line: ['number']"]),
    ],
)
def test_planted_gaps_are_found(value: object, found: list[str]) -> None:
    assert complaints(value) == found
