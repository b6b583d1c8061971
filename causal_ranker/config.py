"""Frozen configuration: unknown keys are refused, bounds live in the type."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from causal_ranker.errors import ConfigError

__all__ = ["FrozenConfig"]


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
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                expected=f"a readable TOML file at {path}",
                came=str(error),
                do="Check the path and the file's syntax.",
            ) from error
        return cls(**values)


def _as_config_error(config: type[BaseModel], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the whole config"
    known = ", ".join(sorted(config.model_fields))
    return ConfigError(
        expected=f"valid settings for {config.__name__}",
        came=f"{key} = {first.get('input')!r} ({first['msg'].lower()})",
        do=f"Known settings: {known}.",
    )
