"""The command on a published model: ``rerank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli.told import on_tables
from causal_ranker.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()

_Model = Annotated[Path, typer.Option(help="Registry of models, or the folder of one.")]


@app.command("rerank")
@on_tables
def _rerank(
    model: _Model,
    user: Annotated[str, typer.Option(help="The user's id.")],
    k: Annotated[int, typer.Option(help="Length of the list.")] = 10,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="The base recommender's list, a Parquet or CSV file of item_id and base_score; "
            "the model's own candidates and base scores by default."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Or a settings file with a candidate log: the user's latest request there is "
            "ranked anew."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Print one user's re-ranked list."""
    from rich.console import Console

    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.reranking.description import policy_name
    from causal_ranker.serving.adapter import rerank
    from causal_ranker.serving.bundle import load_bundle

    bundle = load_bundle(model)
    key = bundle.snapshot.users.key(user)
    offered = None
    if candidates is not None and config is not None:
        raise ConfigError(
            expected="one of --candidates and --config",
            came="both",
            do="Leave one of them out: each says what there is to rank.",
        )
    if candidates is not None:
        from causal_ranker.cli.tables import read_offer

        offered = read_offer(candidates)
    elif config is not None:
        from causal_ranker.cli.sources import latest_offer

        offered = latest_offer(config, user=key)
    ranked = rerank(bundle, key, candidates=offered, k=k, strict=True)
    if as_json:
        answer = {
            "user_id": key,
            "items": ranked.records(),
            "fallback": ranked.fallback,
            "version": bundle.version,
        }
        typer.echo(to_line(answer))
        return
    columns = {
        "item": [str(item) for item in ranked.items],
        "base rank": ranked.base_rank.tolist(),
        "new rank": ranked.rank.tolist(),
        "base score": ranked.base_score.tolist(),
        "uplift": ranked.uplift.tolist(),
    }
    named = f"the policy '{policy_name(bundle.policy)}'"
    order = named if ranked.fallback is None else "the base score"
    note = f"In the order of {order}; uplift in plays per impression; model {bundle.version}."
    if ranked.relaxed:
        note += f" Rules that could not be kept: {', '.join(ranked.relaxed)}."
    if ranked.fallback is not None:
        note += f" Fell back: {ranked.fallback}."
    if ranked.interval is not None and bundle.width is not None:
        columns["from"], columns["to"] = (end.tolist() for end in ranked.interval)
        note += f" From and to: {100 * bundle.width.level:g} % interval of the uplift."
    rows = list(zip(*columns.values(), strict=True))
    Console().print(rich_table(Table(tuple(columns), rows, note)))
