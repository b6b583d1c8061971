"""Log lines that tell where something failed, and not about whom."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Any, Final

__all__ = ["DiscreetFormatter", "log_config"]

_FORM: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class DiscreetFormatter(logging.Formatter):
    """Writes tracebacks without the messages of their errors, as these may quote a user's id."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record.

        Parameters
        ----------
        record : logging.LogRecord
            The record.

        Returns
        -------
        str
            Its line, and a traceback where it has one.
        """
        record.exc_text = None  # another formatter may have left its own, with messages
        return super().format(record)

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Write an error: where, and of what type.

        Parameters
        ----------
        ei : tuple
            Type, error and traceback.

        Returns
        -------
        str
            The traceback without messages.
        """
        parts: list[str] = []
        error, seen = ei[1], set[int]()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            where = "".join(traceback.format_tb(error.__traceback__))
            parts.append(f"{where}{type(error).__module__}.{type(error).__qualname__}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nraised from\n".join(parts)


def log_config(*, user_ids: bool) -> dict[str, Any]:
    """Describe the logs of a serving process.

    Parameters
    ----------
    user_ids : bool
        Whether messages of unexpected errors, which may quote ids, are written.

    Returns
    -------
    dict
        For `logging.config.dictConfig`.
    """
    maker: Any = logging.Formatter if user_ids else DiscreetFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": maker, "fmt": _FORM}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"uvicorn": {"level": "INFO"}, "causal_ranker": {"level": "INFO"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }
