"""From the JSON of a request to what a bundle is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from causal_ranker.errors import RowError
from causal_ranker.serving.asked import Asked, check_request
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.wire import MOST_ITEMS, RerankRequest

__all__ = ["check_ids", "take"]

_LARGEST: Final = (1 << 63) - 1


def take(bundle: Bundle, request: RerankRequest) -> Asked:
    """Check a request against what a bundle reads.

    Names that it does not read are left aside: another version, now or later, may read them. Of a
    bundle's own candidates no more are ranked than a request may bring.

    Parameters
    ----------
    bundle : Bundle
        The bundle that is to answer.
    request : RerankRequest
        The request.

    Returns
    -------
    Asked
        What the bundle is asked.

    Raises
    ------
    ConfigError, EmptyError, RowError, SchemaError
        As `causal_ranker.serving.asked.check_request`.
    """
    given = request.candidates
    return check_request(
        bundle,
        request.user_id,
        items=None if given is None else [each.item_id for each in given],
        base_score=None if given is None else [each.base_score for each in given],
        k=request.k,
        columns=request.columns,
        moment=request.moment,
        context=request.context,
        most=MOST_ITEMS,
        strict=False,
    )


def check_ids(values: Iterable[object]) -> None:
    """Refuse ids that cannot be hashed or written down.

    Parameters
    ----------
    values : iterable
        Ids and other values; what is neither an integer nor text is not looked at.

    Raises
    ------
    RowError
        If an integer has more than 64 bits, or a text holds half a surrogate pair.
    """
    texts, numbers = [], [0]
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, int):
            numbers.append(value)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise RowError(
            expected="text of whole characters",
            came="half a surrogate pair",
            do="Send ids and values as valid Unicode.",
        ) from None
    if max(numbers) > _LARGEST or min(numbers) < -_LARGEST - 1:
        raise RowError(
            expected="integer ids of 64 bits",
            came="a longer one",
            do="Send longer ids as text.",
        )
