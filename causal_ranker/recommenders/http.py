"""A base recommender that answers over HTTP.

The contract. The service gets ``POST`` with a JSON object::

    {"users": [7, 9], "at": "2026-03-01T00:00:00+00:00", "k": 50}

``users`` are whole numbers or text, at most `UpstreamConfig.users_per_request` of them; ``at`` is
the moment of the request, in UTC; ``k`` is the longest list that will be used, or null for every
item. It answers with status 200 and::

    {"answers": [{"user_id": 7, "candidates": [{"item_id": 42, "base_score": 0.81},
                                               {"item_id": 13, "base_score": 0.55}]}]}

- Answers and candidates may come in any order; equal scores keep the one they come in.
- Only users who were asked for, with the id as it was asked: ``7`` is not ``"7"``. A user whom it
  cannot serve is left out, or has an empty list.
- Each item of a user once, with a finite score; more than `k` are cut off here.
- Only what was known strictly before ``at`` may enter. A service that cannot look back answers
  another status for moments that are past, or `trained_until` is set here.
- Other keys are not looked at, so that a service may say more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.recommenders.answers import answer_in_order, answer_of, check_answer
from causal_ranker.recommenders.checks import check_moment, check_question, check_trained_until
from causal_ranker.recommenders.upstream import Upstream, UpstreamConfig

__all__ = ["HttpRecommender"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpRecommender:
    """Candidates from another service, checked.

    It may be shared by threads.

    Parameters
    ----------
    url : str
        ``https://...``; ``http://...`` as well, but with `headers` only to this machine.
    headers : mapping of str to str
        Sent with each question, for example keys. They stand in no message and no ``repr``.
    config : UpstreamConfig, optional
        Time-out, tries and sizes.
    trained_until : datetime, optional
        For a service that cannot look back: it knows nothing from this moment on, and earlier
        requests are refused without asking it.

    Raises
    ------
    ConfigError
        If address, headers or settings cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        config: UpstreamConfig | None = None,
        trained_until: datetime | None = None,
    ) -> None:
        self._config = config or UpstreamConfig()
        self._upstream = Upstream(url, headers=headers, config=self._config)
        self.trained_until = check_trained_until(trained_until)

    def __repr__(self) -> str:
        """Name the address, and no header."""
        return f"HttpRecommender({self._upstream!r})"

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return the candidates of some users, best first.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone.
        k : int, optional
            Longest list per user, at least 1; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score (see `causal_ranker.recommenders.base`).

        Raises
        ------
        ConfigError, RowError
            If the question cannot be.
        NotFittedError
            If the model is from after `at`.
        UpstreamError
            If the service did not answer in time, with status 200 and in JSON.
        SchemaError, RowError
            If its answer is not what the contract says.
        """
        asked = check_question(users, at=at, k=k)
        check_moment(at, trained_until=self.trained_until)
        columns: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        size = self._config.users_per_request
        for start in range(0, len(asked), size):
            some = asked[start : start + size]
            moment = at.astimezone(UTC).isoformat()
            question = {"users": some, "at": moment, "k": None if k is None else int(k)}
            for column, more in zip(columns, self._read(self._upstream.ask(question)), strict=True):
                column += more
        table = answer_of(*columns)
        check_answer(table, asked)
        return answer_in_order(table, asked, k=k)

    def _read(self, said: Any) -> tuple[list[Any], list[Any], list[Any]]:
        try:
            lists = [(each["user_id"], each["candidates"]) for each in said["answers"]]
            users = [user for user, offered in lists for _ in offered]
            items = [each["item_id"] for _, offered in lists for each in offered]
            scores = [each["base_score"] for _, offered in lists for each in offered]
        except (TypeError, KeyError) as error:
            raise SchemaError(
                expected="{answers: [{user_id, candidates: [{item_id, base_score}]}]} from "
                f"{self._upstream!r}",
                came=f"{type(error).__name__} {error} in {self._upstream.quote(str(said))}",
                do="Let that service answer as causal_ranker.recommenders.http says.",
            ) from None
        longest = max(((len(offered), user) for user, offered in lists), default=(0, None))
        if longest[0] > self._config.most_candidates:
            raise RowError(
                expected=f"at most {self._config.most_candidates} candidates per user",
                came=f"{longest[0]} for user {longest[1]!r}",
                do="Let the service send its best ones, or raise most_candidates.",
            )
        return users, items, scores
