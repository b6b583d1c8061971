"""What each setting of a file means: told from the classes that read it, so that it stays true.

Meanings come from docstrings, ranges from types, and rules from the validators' own messages.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from causal_ranker.config import FrozenConfig

__all__ = ["Setting", "explain"]

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    datetime: "a moment",
    date: "a date",
    AwareDatetime: "a moment with a time zone",
    Any: "anything",
}
_BOUNDS: Final = {"gt": "above {}", "ge": "{} or more", "lt": "below {}", "le": "{} or less"}
_LENGTHS: Final = {"min_length": "at least {} of them", "max_length": "at most {} of them"}
_SECTION: Final = re.compile(r"^(\w[\w ]+)\n-{3,}$", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    key : str
        Its place in the file, dotted; members of lists have their number in brackets.
    value, default : object
        What it is, and what it would be if it were left out, as JSON knows them. A member of a
        list has no default.
    given, required : bool
        Whether the file says it, and whether every file has to.
    meaning : str
        What it is for.
    allowed : str
        Which values it may have.
    refused : tuple of str
        Rules beyond that, each as what a refusal says was expected.
    """

    key: str
    value: Any
    default: Any
    given: bool
    required: bool
    meaning: str
    allowed: str
    refused: tuple[str, ...]


def explain(config: FrozenConfig, *, given: Mapping[str, Any]) -> list[Setting]:
    """Explain every setting of a config.

    Parameters
    ----------
    config : FrozenConfig
        The settings in force; what has to be given and is not (`FrozenConfig.model_construct`) is
        told all the same, its value None.
    given : mapping of str to values
        What the file says, as it was read.

    Returns
    -------
    list of Setting
        In the order of the classes, tables of settings after one another.
    """
    return list(_walk(config, given, prefix=""))


def _walk(config: BaseModel, given: Any, *, prefix: str) -> Iterator[Setting]:
    said = given if isinstance(given, Mapping) else {}
    told, rules = _meanings(type(config)), _rules(type(config))
    plain = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        value: Any = getattr(config, name, None)
        key, inner = f"{prefix}{name}", said.get(name)
        members = None if hasattr(config, name) else _member_kind(field.annotation)
        if members is not None:
            yield from _walk(members.model_construct(), None, prefix=f"{key}[0].")
        elif isinstance(value, BaseModel):
            yield from _walk(value, inner, prefix=f"{key}.")
        elif _holds_models(value):
            for number, each in enumerate(value):
                some = inner[number] if isinstance(inner, list) else None
                yield from _walk(each, some, prefix=f"{key}[{number}].")
        else:
            yield Setting(
                key=key,
                value=plain.get(name),
                default=_default(field),
                given=name in said,
                required=field.is_required(),
                meaning=told.get(name, ""),
                allowed=_allowed(field.annotation, field.metadata),
                refused=tuple(rules.get(name, ())),
            )


def _holds_models(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], BaseModel)


def _member_kind(annotation: Any) -> type[BaseModel] | None:
    """Return the class of which a list of settings has members, if it is such a list."""
    inner = get_args(annotation)
    one = inner[0] if get_origin(annotation) is tuple and inner else None
    return one if isinstance(one, type) and issubclass(one, BaseModel) else None


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path | date) else value


def _meanings(kind: type[BaseModel]) -> dict[str, str]:
    """Read what the docstrings of a class and its bases say of each parameter."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        parts = _SECTION.split(inspect.cleandoc(base.__doc__ or ""))
        sections = dict(zip(parts[1::2], parts[2::2], strict=True))
        names: list[str] = []
        for line in sections.get("Parameters", "").splitlines():
            if line and not line.startswith(" "):
                names = [name.strip() for name in line.split(" : ")[0].split(",")]
                found |= dict.fromkeys(names, "")
            else:
                found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def _allowed(kind: Any, metadata: Any = ()) -> str:
    """Say in words which values a type takes."""
    bounds = [words for each in metadata for words in _bounds(each)]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _allowed(inner[0], [*inner[1:], *metadata])
    if kind in _WORDS:
        words = _WORDS[kind]
    elif origin is Literal:
        words = "one of " + ", ".join(repr(each) for each in inner)
    elif origin in (Union, types.UnionType):
        parts = [_allowed(each) for each in inner if each is not type(None)]
        words = " or ".join(dict.fromkeys(parts))
        if type(None) in inner:
            words += ", or left out"
    elif origin in (tuple, list, frozenset, set):
        words = f"a list, each {_allowed(inner[0])}" if inner else "a list"
    elif origin in (dict, Mapping) or kind is dict:
        words = f"a table, each {_allowed(inner[1])}" if inner else "a table"
    else:
        words = f"a table of {getattr(kind, '__name__', str(kind))}"
    return ", ".join([words, *bounds])


def _bounds(each: Any) -> Iterator[str]:
    if isinstance(each, FieldInfo):
        for inner in each.metadata:
            yield from _bounds(inner)
        return
    for name, words in {**_BOUNDS, **_LENGTHS}.items():
        if (bound := getattr(each, name, None)) is not None:
            yield words.format(f"{bound:g}" if isinstance(bound, float) else bound)
    if (pattern := getattr(each, "pattern", None)) is not None:
        yield f"written like {pattern}"


def _rules(kind: type[BaseModel]) -> dict[str, list[str]]:
    """Collect by field what validators expect: the words of the errors that they raise."""
    decorators = kind.__pydantic_decorators__
    found: dict[str, list[str]] = {}
    for by_field in decorators.field_validators.values():
        for name in by_field.info.fields:
            found.setdefault(name, []).extend(_expected(by_field.func)[0])
    for whole in decorators.model_validators.values():
        words, names = _expected(whole.func)
        for name in names & set(kind.model_fields):
            found.setdefault(name, []).extend(words)
    return found


def _expected(validator: Any) -> tuple[list[str], set[str]]:
    """Return what a validator's errors say was expected, and which attributes it looks at."""
    function = inspect.unwrap(getattr(validator, "__func__", validator))
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    words = [
        _text(word.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "expected"
    ]
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return words, names


def _text(node: ast.expr) -> str:
    """Return a text as it is written, with dots for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "..."
