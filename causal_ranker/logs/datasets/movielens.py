"""MovieLens: ratings with their time, as plays.

A rating is an outcome event; its value is kept. Nothing says what was shown, so there are no
impressions: these logs feed base recommenders and simulated worlds, not an uplift model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.columns import Columns as C
from causal_ranker.logs.contract import check_items, check_plays
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import read_table

__all__ = ["MovieLensLogs", "load_movielens"]


@dataclass(frozen=True)
class MovieLensLogs:
    """The data set in the contract's form; both tables are lazy.

    Attributes
    ----------
    plays : ibis.Table
        A row per rating, with ``rating`` in stars.
    items : ibis.Table
        ``title`` and ``genres``, the latter with ``|`` between them.
    """

    plays: ibis.Table
    items: ibis.Table


def load_movielens(
    ratings: str | Path, movies: str | Path, *, connection: Backend
) -> MovieLensLogs:
    """Read the files of a MovieLens release since 2014 (``ratings.csv`` and ``movies.csv``).

    Parameters
    ----------
    ratings, movies : str or Path
        The two files, packed or not.
    connection : ibis.backends.duckdb.Backend
        The embedded engine (see `causal_ranker.logs.sources.connect`).

    Returns
    -------
    MovieLensLogs
        Ratings as plays, and films; ids of plays number them in order of user, time and film.

    Raises
    ------
    DataError
        If a column is absent or a row breaks the contract.
    """
    rated = read_table(str(ratings), connection, name="ratings")
    require_columns(rated, ("userId", "movieId", "rating", "timestamp"), name="ratings")
    films = read_table(str(movies), connection, name="movies")
    require_columns(films, ("movieId", "title", "genres"), name="movies")
    order = [rated.userId, rated.timestamp, rated.movieId]
    plays = rated.select(
        **{
            C.PLAY: ibis.row_number().over(ibis.window(order_by=order)).cast("int64"),
            C.USER: rated.userId,
            C.ITEM: rated.movieId,
            # The source counts seconds since 1970, in UTC.
            C.PLAYED_AT: rated.timestamp.cast("int64").as_timestamp("s").cast("timestamp('UTC')"),
            "rating": rated.rating,
        }
    )
    items = films.select(films.movieId.name(C.ITEM), films.title, films.genres)
    return MovieLensLogs(check_plays(plays), check_items(items))
