"""Small faults that could be in a module: cosmic-ray's, one drawn for each place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

__all__ = ["Mutant", "Place", "draw", "places"]

_KINDS: Final = (
    {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"},
    {"BitOr", "BitAnd", "BitXor"},
    {"LShift", "RShift"},
    {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"},
    {"Is", "IsNot"},
    {"Delete", "USub"},
    {"Delete", "Invert"},
    {"Delete", "Not"},
)
_NEVER_CHANGED: Final = {"name", "string", "newline", "endmarker"}


@dataclass(frozen=True)
class Place:
    """Where a module can be changed, and how.

    Parameters
    ----------
    path : str
        The module's, from the root of the tree.
    start : tuple of int
        Line (from 1) and column (from 0) of what would be changed.
    changes : tuple of (str, int)
        cosmic-ray's name of each change, and which of the module's places for it this is.
    """

    path: str
    start: tuple[int, int]
    changes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Parameters
    ----------
    path : str
        The module's, from the root of the tree.
    line : int
        The line of what is changed, from 1.
    change : str
        What cosmic-ray calls the change.
    code : str
        The whole module, changed.
    """

    path: str
    line: int
    change: str
    code: str


def places(path: str, source: str) -> list[Place]:
    """Find every place of a module at which cosmic-ray would change something.

    Of replacements of an operator, those by an operator of the same kind (arithmetic, bitwise,
    shifts, order, identity) are made: a float shifted by a float fails whatever a test says.

    Parameters
    ----------
    path : str
        The module's, from the root of the tree.
    source : str
        Its text.

    Returns
    -------
    list of Place
        In order.
    """
    # Of the extra dev: the list of benchmarks does without it.
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    # The star between parameters is no product.
    nodes = [
        node
        for node in ast_nodes(get_ast(source))
        if node.type not in _NEVER_CHANGED
        and not (node.type == "operator" and node.parent.type in ("parameters", "lambdef"))
    ]
    found: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for name in operator_names():
        if not get_operator(name).arguments() and _of_one_kind(name):
            operator = get_operator(name)()
            starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
            for occurrence, start in enumerate(starts):
                found.setdefault(start, []).append((name, occurrence))
    return [Place(path, start, tuple(found[start])) for start in sorted(found)]


def draw(
    found: Sequence[Place], sources: Mapping[str, str], *, n: int, rng: np.random.Generator
) -> list[Mutant]:
    """Draw places without repetition, and of each place one of the changes.

    So a place that can be wrong in eleven ways weighs as much as one that can be in one. Passed
    over are changes of nothing that runs, such as of annotations, and what is no longer Python.

    Parameters
    ----------
    found : sequence of Place
        Of any modules.
    sources : mapping of str to str
        The modules' texts, by path.
    n : int
        How many; fewer where there are not so many.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    list of Mutant
        In the order in which they were drawn.
    """
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    drawn: list[Mutant] = []
    for at in rng.permutation(len(found)):
        if len(drawn) == n:
            break
        place = found[at]
        source = sources[place.path]
        for which in rng.permutation(len(place.changes)):
            name, occurrence = place.changes[which]
            code = mutate_code(source, get_operator(name)(), occurrence)
            if code is not None and _what_runs(code) not in (_what_runs(source), None):
                change = name.removeprefix("core/")
                drawn.append(Mutant(place.path, place.start[0], change, code))
                break
    return drawn


def _of_one_kind(name: str) -> bool:
    kind, _, change = name.removeprefix("core/").partition("_")
    if not change:
        return True
    before, _, after = change.partition("_")
    if kind == "ReplaceUnaryOperator" and before != "Delete":
        return False
    return any({before, after} <= each for each in _KINDS)


@lru_cache
def _what_runs(source: str) -> str | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
            for each in _arguments(node.args):
                each.annotation = None
        # Annotated fields are rules that pydantic reads.
        elif isinstance(node, ast.AnnAssign) and "Annotated" not in ast.unparse(node.annotation):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def _arguments(known: ast.arguments) -> Iterator[ast.arg]:
    yield from (*known.posonlyargs, *known.args, *known.kwonlyargs)
    yield from (each for each in (known.vararg, known.kwarg) if each is not None)
