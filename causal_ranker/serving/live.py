"""The models that a running service answers with, and how another version takes over."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol

from causal_ranker.errors import CausalRankerError, ConfigError, RowError
from causal_ranker.reranking.draws import Thompson
from causal_ranker.reranking.explore import Exploration, check_exploration
from causal_ranker.serving.breaker import Breaker
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.deadline import Workers
from causal_ranker.serving.metrics import ServiceMetrics
from causal_ranker.serving.redis_keys import connect
from causal_ranker.serving.redis_store import RedisFeatureStore
from causal_ranker.serving.verify import may_pass
from causal_ranker.stats.hashing import uniform_hash

__all__ = ["LiveModel", "LiveModels", "ModelSource", "Role"]

_log = logging.getLogger(__name__)

Id = int | str
Role = Literal["current", "canary", "shadow"]

#: How long one thread may keep the others from Python. By default it is five times that, and an
#: answer that changes threads twice while another version is loaded would wait for each of them.
_SWITCH_S: Final = 0.001

#: A version that could not be verified, for a reason that may pass, is tried again after so long,
#: and then after twice as long each time.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


class ModelSource(Protocol):
    """Where versions come from, as `causal_ranker.serving.registry.Registry` keeps them."""

    def current(self) -> str:
        """Return the version that is to answer.

        Returns
        -------
        str
            The version.
        """
        ...

    def path_of(self, version: str) -> Path:
        """Return the folder of a version.

        Parameters
        ----------
        version : str
            The version.

        Returns
        -------
        Path
            Its folder.
        """
        ...

    def verify(self, version: str) -> object:
        """Raise `BundleError` unless a version loads in another process.

        Parameters
        ----------
        version : str
            The version.

        Returns
        -------
        object
            What was checked.
        """
        ...

    def stamp(self) -> object:
        """Return something that is another as soon as another version is current.

        Returns
        -------
        object
            To be compared with what came before.
        """
        ...


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A loaded version, with threads and a circuit of its own.

    Parameters
    ----------
    role : {"current", "canary", "shadow"}
        What it does.
    bundle : Bundle
        The version.
    workers : Workers
        The threads that run it: one version that hangs takes none of another's.
    explainers : Workers
        A thread for what takes longer.
    breaker : Breaker
        Whether it is asked.
    """

    role: Role
    bundle: Bundle
    workers: Workers
    explainers: Workers
    breaker: Breaker


class LiveModels:
    """The current version, and perhaps a canary and a shadow; the current one follows its source.

    Parameters
    ----------
    source : ModelSource or Bundle
        A registry, or one bundle that never changes.
    config : ServeConfig
        Which versions, and how they are run.
    metrics : ServiceMetrics
        What is counted.

    Raises
    ------
    ConfigError
        If `source` is one bundle, and a canary or a shadow is asked for, or it has no such
        intervals as the draws of exploration need.
    """

    def __init__(
        self, source: ModelSource | Bundle, *, config: ServeConfig, metrics: ServiceMetrics
    ) -> None:
        self._source, self._config, self._metrics = source, config, metrics
        # Its connections outlast the versions, whose last requests may be in flight on them.
        self._redis = None
        if config.store is not None:
            self._redis = connect(config.store, timeout_s=config.store_ms / 1e3)
        # What was looked at to its end, and what is looked at again after a pause.
        self._stamp: object = None
        self._tried: object = None
        self._again_at, self._pause_s = 0.0, _FIRST_PAUSE_S
        self._interval_s = sys.getswitchinterval()
        self._current: LiveModel | None = None
        self._retired: list[Workers] = []
        self._beside: dict[Role, Path] = {}  # where canary and shadow were read from
        self.canary: LiveModel | None = None
        self.shadow: LiveModel | None = None
        if isinstance(source, Bundle) and (config.shadow is not None or config.canary is not None):
            raise ConfigError(
                expected="a registry, where there is to be a canary or a shadow",
                came="one bundle",
                do="Publish the versions into a registry and serve that.",
            )
        if isinstance(source, Bundle):
            _check_draws(source, config.exploration)

    @property
    def current(self) -> LiveModel:
        """The version that answers."""
        if self._current is None:
            raise ConfigError(
                expected="a service that was started", came="none", do="Await start() first."
            )
        return self._current

    @property
    def loaded(self) -> bool:
        """Whether a version answers."""
        return self._current is not None

    def workers(self) -> Iterator[Workers]:
        """Yield the threads of every version, those of earlier ones that hang included.

        Yields
        ------
        Workers
            Of a version.
        """
        loaded = (self._current, self.canary, self.shadow)
        for model in loaded:
            if model is not None:
                yield from (model.workers, model.explainers)
        yield from self._retired

    def of(self, user: Id) -> LiveModel:
        """Return the version that answers a user; it is taken once for each request.

        Parameters
        ----------
        user : int or str
            The user.

        Returns
        -------
        LiveModel
            The canary for its share of the users, else the current version.

        Raises
        ------
        RowError
            If the id has more than 64 bits or is no text.
        """
        if self.canary is None or self._config.canary is None:
            return self.current
        try:
            drawn = float(uniform_hash([user], salt=f"canary-{self._config.canary.salt}")[0])
        except (OverflowError, UnicodeEncodeError) as error:
            raise RowError(
                expected="a user id of 64 bits, or text", came=str(error), do="Check the id."
            ) from None
        return self.canary if drawn < self._config.canary.share else self.current

    async def open(self) -> None:
        """Load all versions.

        Raises
        ------
        BundleError
            If one does not load.
        ConfigError
            If exploration does not go with a policy, or a version has no such intervals as its
            draws need.
        """
        sys.setswitchinterval(min(_SWITCH_S, self._interval_s))
        source, config = self._source, self._config
        if isinstance(source, Bundle):
            self._put(source)
            return
        self._stamp = await asyncio.to_thread(source.stamp)
        self._put(await asyncio.to_thread(self._load, source, source.current()))
        if config.canary is not None:
            self._beside["canary"] = source.path_of(config.canary.version)
            bundle = await asyncio.to_thread(self._load, source, config.canary.version)
            self.canary = self._live(bundle, role="canary")
        if config.shadow is not None:
            self._beside["shadow"] = source.path_of(config.shadow)
            bundle = await asyncio.to_thread(self._load, source, config.shadow)
            self.shadow = self._live(bundle, role="shadow")

    async def follow(self) -> None:
        """Look for another current version for ever; a bad one leaves the one that answers.

        One that could not be verified or read for now is tried again, after longer and longer.
        """
        source = self._source
        while not isinstance(source, Bundle):
            await asyncio.sleep(self._config.poll_ms / 1e3)
            await self._look(source)

    async def _look(self, source: ModelSource) -> None:
        try:
            stamp = await asyncio.to_thread(source.stamp)
        except Exception:  # asked again at the next look
            _log.warning("the registry cannot be read", exc_info=True)
            return
        now = time.monotonic()
        if stamp == self._stamp or (stamp == self._tried and now < self._again_at):
            return
        if stamp != self._tried:
            self._tried, self._pause_s = stamp, _FIRST_PAUSE_S
        try:
            version = await asyncio.to_thread(source.current)
            if version != self.current.bundle.version:
                self._put(await asyncio.to_thread(self._load_with_features, source, version))
                self._metrics.swaps.inc()
                _log.info("version %s answers", version)
            await self._renew(source)
        except Exception as error:  # whatever is wrong with it, the one that answers goes on
            self._metrics.bad_versions.inc()
            _log.error(
                "version %s goes on answering, another one cannot: %s",
                self.current.bundle.version,
                error,
                exc_info=not isinstance(error, CausalRankerError),
            )
            if isinstance(error, CausalRankerError) and not may_pass(error):
                self._stamp = stamp  # it is a bad one, and not tried again
                return
            self._again_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return
        self._stamp = stamp

    async def _renew(self, source: ModelSource) -> None:
        """Put others in the places of canary and shadow where users were forgotten in them."""
        canary, shadow = self._config.canary, self._config.shadow
        if canary is not None and (bundle := await self._other(source, "canary", canary.version)):
            old, self.canary = self.canary, self._live(bundle, role="canary")
            self._retire(old)
        if shadow is not None and (bundle := await self._other(source, "shadow", shadow)):
            old, self.shadow = self.shadow, self._live(bundle, role="shadow")
            self._retire(old)

    async def _other(self, source: ModelSource, role: Role, version: str) -> Bundle | None:
        folder = await asyncio.to_thread(source.path_of, version)
        if folder == self._beside[role]:
            return None
        bundle = await asyncio.to_thread(self._load_with_features, source, version)
        self._beside[role] = folder
        return bundle

    def close(self) -> None:
        """Let all threads go home, and hang up on the store."""
        for workers in self.workers():
            workers.close()
        if self._redis is not None:
            self._redis.close()
        gc.unfreeze()
        sys.setswitchinterval(self._interval_s)

    def _load(self, source: ModelSource, version: str) -> Bundle:
        # In another process first: a changed LightGBM text can end the one that reads it.
        source.verify(version)
        return load_bundle(source.path_of(version))

    def _load_with_features(self, source: ModelSource, version: str) -> Bundle:
        bundle = self._load(source, version)
        if (store := self._store_of(bundle)) is not None:
            store.check()  # without them it would answer in base order; the old one does not
        return bundle

    def _retire(self, old: LiveModel | None) -> None:
        if old is not None:
            self._metrics.model.remove(old.role, old.bundle.version)
            ended = (old.workers, old.explainers)
            for workers in ended:
                workers.close()
            self._retired = [*(each for each in self._retired if each.abandoned), *ended]

    def _put(self, bundle: Bundle) -> None:
        old, self._current = self._current, self._live(bundle, role="current")
        self._retire(old)
        # What was loaded stays; the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    def _store_of(self, bundle: Bundle) -> RedisFeatureStore | None:
        if self._redis is None:
            return None
        layout = bundle.snapshot.layout
        return RedisFeatureStore(self._redis, version=bundle.version, layout=layout)

    def _live(self, bundle: Bundle, *, role: Role) -> LiveModel:
        config, name = self._config, f"{role}-{bundle.version}"
        if config.exploration is not None:
            check_exploration(bundle.policy, config.exploration)
        _check_draws(bundle, config.exploration)
        if (store := self._store_of(bundle)) is not None:
            bundle = replace(bundle, store=store)
        self._metrics.model.labels(role, bundle.version).set(1)
        return LiveModel(
            role=role,
            bundle=bundle,
            workers=Workers(
                threads=1 if role == "shadow" else config.workers,
                queue=config.queue,
                abandoned=config.abandoned,
                name=name,
            ),
            explainers=Workers(
                threads=1, queue=config.queue, abandoned=config.abandoned, name=f"explain-{name}"
            ),
            breaker=Breaker(config.breaker),
        )


def _check_draws(bundle: Bundle, exploration: Exploration | None) -> None:
    """Refuse draws from intervals that a version does not have."""
    if exploration is None or not isinstance(exploration.draw, Thompson):
        return
    level, width = exploration.draw.level, bundle.width
    if width is None or width.level != level:
        held = "no intervals" if width is None else f"intervals at level {width.level:g}"
        raise ConfigError(
            expected=f"a version with intervals of the uplift at level {level:g}, from which the "
            "draw 'thompson' draws",
            came=f"version {bundle.version} with {held}",
            do="Train with ChainConfig(intervals=HalfSampleConfig(level=...)) and publish, or draw "
            "by 'plackett_luce' or 'uniform_swaps'.",
        )
