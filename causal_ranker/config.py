"""Frozen configuration: unknown keys are refused, bounds live in the type."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from causal_ranker.errors import ConfigError

__all__ = ["FrozenConfig", "read_toml"]


class FrozenConfig(BaseModel):
    """Base of every config: immutable, and strict about its keys.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is out of its bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _as_config_error(type(self), error) from None

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read the config from a TOML file.

        Parameters
        ----------
        path : str or Path
            The file to read.

        Returns
        -------
        FrozenConfig
            The checked config.

        Raises
        ------
        ConfigError
            If the file is missing, is not TOML, or holds a wrong key or value.
        """
        return cls(**read_toml(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        What it says, unchecked.

    Raises
    ------
    ConfigError
        If the file is missing, or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            expected=f"a readable TOML file at {path}",
            came=str(error),
            do="Check the path and the file's syntax.",
        ) from error


def _as_config_error(config: type[BaseModel], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the whole config"
    near: list[str] = []
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), list(config.model_fields), n=1)
    known = f"Known settings: {', '.join(sorted(config.model_fields))}."
    return ConfigError(
        expected=f"valid settings for {config.__name__}",
        came=f"{key} = {first.get('input')!r} ({first['msg'].lower()})",
        do=f"Is '{near[0]}' meant? {known}" if near else known,
    )
