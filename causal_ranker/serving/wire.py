"""The JSON of the service, decoded strictly."""

from __future__ import annotations

import msgspec

from causal_ranker.errors import SchemaError

__all__ = ["Candidate", "RerankRequest", "read_request"]


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One item of the base recommender's list.

    Parameters
    ----------
    item_id : int or str
        The item.
    base_score : float
        Its base score, larger is better.
    """

    item_id: int | str
    base_score: float


class RerankRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``POST /v1/rerank`` takes.

    Parameters
    ----------
    user_id : int or str
        The user; integers and strings are different ids.
    candidates : list of Candidate, optional
        The base recommender's list. Without it the bundle's own candidates of the user, or every
        item for a user who is not known; either needs a base model in the bundle.
    k : int, optional
        Length of the answer; all candidates without it.
    """

    user_id: int | str
    candidates: list[Candidate] | None = None
    k: int | None = None


_DECODER = msgspec.json.Decoder(RerankRequest)


def read_request(body: bytes) -> RerankRequest:
    """Decode the body of a request.

    Parameters
    ----------
    body : bytes
        JSON.

    Returns
    -------
    RerankRequest
        The request, types checked.

    Raises
    ------
    SchemaError
        If it is no JSON, a field is missing, unknown or of another type.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SchemaError(
            expected="a JSON object with user_id, and optionally candidates and k",
            came=str(error),
            do='Example: {"user_id": 1, "candidates": [{"item_id": 2, "base_score": 0.5}]}.',
        ) from None
