"""Settings of a running service."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.decisions.config import LogConfig

__all__ = ["BreakerConfig", "CanaryConfig", "ServeConfig"]

_Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1, le=100_000)]


class BreakerConfig(FrozenConfig):
    """When a model that fails is left alone, and when it is tried again.

    Parameters
    ----------
    failures : int
        Failures in a row (errors and late answers) that open the circuit.
    open_ms : float
        How long it is open at first, in milliseconds; then one request tries the model.
    longest_open_ms : float
        Each try that fails doubles the time, up to this.
    """

    failures: _Count = 5
    open_ms: _Milliseconds = 1_000.0
    longest_open_ms: _Milliseconds = 30_000.0


class CanaryConfig(FrozenConfig):
    """A second version that answers a share of the users, always the same ones.

    Parameters
    ----------
    version : str
        The version.
    share : float
        Share of the users, in (0, 1), by a salted hash of the user.
    salt : str
        Which users those are; another salt, other users.
    """

    version: str
    share: Annotated[float, Field(gt=0, lt=1)]
    salt: str = "canary"


class ServeConfig(FrozenConfig):
    """How a service answers. Times are in milliseconds unless the name says otherwise.

    Parameters
    ----------
    deadline_ms : float
        From the request's arrival to its answer; what is not ready by then is the base order.
    log_ms : float
        Part of the deadline that is kept for writing the decision down, where there is a log.
    log : LogConfig
        How the decision log is written: when it is brought to the disk, when segments are closed.
    queue : int
        Requests that may wait for a model; one more gets the base order at once.
    workers : int
        Threads that run a model, LightGBM on one thread each: while one scores, without Python's
        lock, another reads and ranks. More threads than cores only wait.
    abandoned : int
        Calls that hang, each with its thread, that are left behind before a model is given up until
        one of them returns or another version is loaded.
    breaker : BreakerConfig
        When a failing model is left alone.
    exploration : Exploration or None
        How lists are drawn, and who always gets the base list; without it nothing is drawn.
    seed : int
        Of the draws.
    shadow : str or None
        A version that scores what it is asked beside the one that answers, and changes nothing.
    canary : CanaryConfig or None
        A version that answers a share of the users.
    poll_ms : float
        How often the registry is asked whether another version is current.
    explain_ms : float
        Deadline of an explanation.
    events_ms : float
        How long events may take to be written down.
    store : str or None
        A Redis server that features were pushed to (``causal-ranker features push``), by its URL;
        without it they are read from the bundle. It may hold a password, and is in no message.
    store_ms : float
        How long the store may take to connect, and to answer; what is late is the base order.
    drain_s : float
        How long `stop` waits for requests in flight, and then for the log, in seconds.

    Raises
    ------
    ConfigError
        If nothing of the deadline is left for the model, or for it behind the store.
    """

    deadline_ms: _Milliseconds = 50.0
    log_ms: _Milliseconds = 10.0
    log: LogConfig = LogConfig()
    queue: _Count = 64
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    abandoned: Annotated[int, Field(ge=1, le=1_000)] = 8
    breaker: BreakerConfig = BreakerConfig()
    exploration: Exploration | None = None
    seed: int = 0
    shadow: str | None = None
    canary: CanaryConfig | None = None
    poll_ms: _Milliseconds = 1_000.0
    explain_ms: _Milliseconds = 2_000.0
    events_ms: _Milliseconds = 1_000.0
    store: Annotated[str | None, Field(repr=False)] = None
    store_ms: _Milliseconds = 20.0
    drain_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 4.0

    @model_validator(mode="after")
    def _leaves_time_for_the_model(self) -> Self:
        # Not a ValueError: pydantic would quote all settings, the password of a store among them.
        taken = self.log_ms + (0.0 if self.store is None else self.store_ms)
        if taken >= self.deadline_ms:
            raise ConfigError(
                expected="log_ms, and store_ms of a store, that leave some of deadline_ms to the "
                "model",
                came=f"{taken} of {self.deadline_ms} ms",
                do="Shorten them, or lengthen the deadline.",
            )
        return self
