"""The package's modules and public objects, and a reader of numpydoc sections."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any

import causal_ranker

SECTION = re.compile(r"^(?P<name>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
_PYDANTIC = "pydantic._internal._model_construction"
# Bases whose constructors say nothing about ours.
FOREIGN_ROOTS = ("pydantic", "builtins", "enum", "typing")


def module_names() -> list[str]:
    """Every module of the package by name; nothing is imported but the packages on the way."""
    found = pkgutil.walk_packages(causal_ranker.__path__, prefix="causal_ranker.")
    return ["causal_ranker", *sorted(info.name for info in found)]


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def defined_names(module: ModuleType) -> list[str]:
    """Public classes and functions that the module itself defines."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    )


def public_objects(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public classes and functions, and the public methods that each class defines itself."""
    for name in module.__all__:
        value = getattr(module, name)
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield f"{module.__name__}.{name}", value
            for method_name, method in vars(value).items():
                if method_name.startswith("_"):
                    continue
                target = (
                    method.__func__ if isinstance(method, classmethod | staticmethod) else method
                )
                # pydantic writes a method of its own into a model with private attributes
                if inspect.isfunction(target) and target.__module__ != _PYDANTIC:
                    yield f"{module.__name__}.{name}.{method_name}", target
        elif inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value


def sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring into its underlined sections.

    >>> sections("Add.\\n\\nParameters\\n----------\\nx : int\\n    One.\\n")
    {'Parameters': 'x : int\\n    One.'}
    """
    text = inspect.cleandoc(docstring)
    marks = list(SECTION.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {
        mark["name"]: text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False)
    }


def documented(section: str) -> set[str]:
    """Names that a Parameters or Attributes section lists, starless."""
    heads = [line for line in section.splitlines() if line and not line.startswith(" ")]
    return {name.strip().lstrip("*") for head in heads for name in head.split(" :")[0].split(",")}


def own_parameters(value: Any) -> set[str]:
    """Parameters a caller passes; for a class those of its constructor."""
    if inspect.isclass(value):
        if issubclass(value, BaseException) and "__init__" not in vars(value):
            return set()
        if getattr(value, "_is_protocol", False):
            return set()
        fields = getattr(value, "model_fields", None)
        if fields is not None:
            # Inherited fields are documented where they are written.
            inherited = {
                name for base in value.__mro__[1:] for name in getattr(base, "model_fields", {})
            }
            return set(fields) - inherited
        inits = [base for base in value.__mro__ if "__init__" in vars(base)]
        if not inits or inits[0].__module__.split(".")[0] in FOREIGN_ROOTS:
            return set()
        # An inherited constructor is documented where it is written; a dataclass has its own.
        if inits[0] is not value:
            return set()
    try:
        signature = inspect.signature(value)
    except ValueError:
        return set()
    skip = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name
        for name, parameter in signature.parameters.items()
        if name not in {"self", "cls"} and parameter.kind not in skip
    }


def documented_defaults(value: Any) -> dict[str, Any]:
    """Defaults that a Parameters or Attributes section names, of those that are literals.

    >>> def add(x, *, y=1):
    ...     "Add.\\n\\nParameters\\n----------\\nx : int\\n    One.\\ny : int, default 1\\n    Two."
    >>> documented_defaults(add)
    {'y': 1}
    """
    found: dict[str, Any] = {}
    parts = sections(value.__doc__ or "")
    for line in "\n".join(
        parts.get(name, "") for name in ("Parameters", "Attributes")
    ).splitlines():
        names, _, said = line.partition(" : ")
        if line.startswith(" ") or ", default " not in said:
            continue
        try:
            default = ast.literal_eval(said.rpartition(", default ")[2])
        except (SyntaxError, ValueError):
            continue
        found |= dict.fromkeys((name.strip() for name in names.split(",")), default)
    return found


def real_defaults(value: Any) -> dict[str, Any]:
    """The defaults of a function's parameters, or of those of a class."""
    fields = getattr(value, "model_fields", None)
    if fields is not None:
        return {name: field.default for name, field in fields.items()}
    return {name: each.default for name, each in inspect.signature(value).parameters.items()}


def loose_values(room: str) -> list[str]:
    """Dataclasses of a room that can be changed, and defaults that are not as documented."""
    found = []
    for name in module_names():
        module = load(name) if name.startswith(f"causal_ranker.{room}.") else None
        if not hasattr(module, "__all__"):
            continue
        for where, value in public_objects(module):
            if is_dataclass(value) and not value.__dataclass_params__.frozen:
                found.append(f"{where} can be changed")
            real = real_defaults(value)
            found += [
                f"{where}.{key} is {real.get(key)!r}, documented as {said!r}"
                for key, said in documented_defaults(value).items()
                if real.get(key) != said
            ]
    return found
