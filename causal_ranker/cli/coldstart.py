"""The commands ``coldstart fit``, ``embed``, ``debias`` and ``evaluate``.

Scores and embeddings travel between them in one file, so that those of any recommender may enter.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    from causal_ranker.coldstart.compare import Compared
    from causal_ranker.coldstart.debias import Debiased
    from causal_ranker.coldstart.named import NamedScores
    from causal_ranker.coldstart.recommender import Fitted

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Rank items that nobody has seen yet, and rank them fairly."
)

_EMBEDDINGS = "embeddings.npz"

_Interactions = Annotated[
    str,
    typer.Option(help="Who liked what: Parquet or CSV file(s) with user_id and item_id."),
]
_Items = Annotated[str, typer.Option(help="Items by item_id, with the columns of content.")]
_Users = Annotated[
    str | None,
    typer.Option("--user-embeddings", help="Parquet: user_id and embedding, a list of numbers."),
]
_ItemVectors = Annotated[
    str | None,
    typer.Option("--item-embeddings", help="Parquet: item_id and embedding, a list of numbers."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
_Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Where to write the scores: .npz (embeddings stay embeddings), or .parquet with "
        "user_id, item_id and score.",
    ),
]


@app.command("fit")
@on_tables
def _fit(
    context: typer.Context,
    interactions: _Interactions,
    items: _Items,
    text: Annotated[list[str] | None, typer.Option(help="Column of text; once for each.")] = None,
    categories: Annotated[
        list[str] | None,
        typer.Option(help="Column of categories, lists or text; once for each."),
    ] = None,
    separator: Annotated[str, typer.Option(help="Between categories in text.")] = "|",
    dense: Annotated[
        list[str] | None,
        typer.Option(help="Column of numbers or of lists of numbers; once for each."),
    ] = None,
    model: Annotated[
        Literal[
            "knn", "deepmusic", "deepmusic_ridge", "dropoutnet", "heater", "metadata_alignment"
        ],
        typer.Option(help="deepmusic, dropoutnet and heater need the extra coldstart (PyTorch)."),
    ] = "deepmusic_ridge",
    embeddings: Annotated[
        str | None,
        typer.Option(
            help=".npz with embeddings of your own: users, items, user_ids, item_ids. Without any, "
            "they are factorised from the interactions."
        ),
    ] = None,
    user_embeddings: _Users = None,
    item_embeddings: _ItemVectors = None,
    width: Annotated[int, typer.Option(help="Width of factorised embeddings.")] = 64,
    validation_share: Annotated[
        float, typer.Option(help="Share of the warm items to stop by and to judge on.")
    ] = 0.1,
    text_width: Annotated[int, typer.Option(help="Columns that text becomes.")] = 50,
    text_weight: Annotated[
        float, typer.Option(help="Weight of text, where it tells less than the rest.")
    ] = 1.0,
    without_content: Annotated[
        Literal["raise", "mean"],
        typer.Option(help="An item of which nothing is known: refuse it, or take the mean."),
    ] = "raise",
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings of the model.")
    ] = None,
    seed: o.Seed = 0,
    out: Annotated[
        Path, typer.Option(help=f"Folder for the model and {_EMBEDDINGS}, all items embedded.")
    ] = Path("runs/coldstart"),
    as_json: _Json = False,
) -> None:
    """Learn to embed items by their content, and embed those that nobody has seen."""
    from time import perf_counter

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.coldstart.recommender import MODELS, FitConfig, fit_recommender
    from causal_ranker.coldstart.score_files import write_scores
    from causal_ranker.coldstart.tables import ContentColumns, read_content, read_pairs
    from causal_ranker.reporting.places import make_folder

    settings = FitConfig(
        validation_share=validation_share,
        width=width,
        without_content=without_content,
        text_width=text_width,
        text_weight=text_weight,
        seed=seed,
    )
    columns = ContentColumns(
        text=tuple(text or ()),
        categories=tuple(categories or ()),
        separator=separator,
        dense=tuple(dense or ()),
    )
    kind = MODELS[model]
    learner = kind.settings() if config is None else kind.settings.from_toml(config)
    learner = learner.model_copy(update={"seed": seed, "without_content": without_content})
    make_folder(out)
    read = {
        "interactions": interactions,
        "items": items,
        "embeddings": embeddings,
        "user_embeddings": user_embeddings,
        "item_embeddings": item_embeddings,
    }
    with recorded(context, inputs=read, written=out, config=learner) as figures:
        given = None
        if embeddings or user_embeddings or item_embeddings:
            given = _scores(embeddings, user_embeddings, item_embeddings, option="--embeddings")
        pairs = read_pairs(interactions, name="interactions")
        ids, content = read_content(items, columns, name="items")
        started = perf_counter()
        fitted = fit_recommender(
            kind(learner, progress=not as_json),
            pairs,
            items=ids,
            content=content,
            columns=columns,
            embeddings=given,
            config=settings,
        )
        seconds = perf_counter() - started
        recommender = fitted.recommender
        recommender.save(out)
        named = recommender.embed(ids, content)
        write_scores(named.scores, users=named.users, items=ids, path=out / _EMBEDDINGS)
        figures.update(_fit_figures(fitted, model=model, seconds=seconds))
        _tell_fit(fitted, figures, out=out, as_json=as_json)


@app.command("embed")
@on_tables
def _embed(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Folder that coldstart fit wrote.")],
    items: _Items,
    out: _Out,
    as_json: _Json = False,
) -> None:
    """Embed new items by their content, with a model that was fitted before."""
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.coldstart.recommender import ColdStartRecommender
    from causal_ranker.coldstart.score_files import KINDS, write_scores
    from causal_ranker.coldstart.tables import read_content
    from causal_ranker.reporting.json import to_line
    from causal_ranker.reporting.places import check_file

    check_file(out, kinds=KINDS)
    with recorded(context, inputs={"items": items}, written=out) as figures:
        recommender = ColdStartRecommender.load(model)
        ids, content = read_content(items, recommender.columns, name="items")
        before = recommender.model.fallbacks_
        named = recommender.embed(ids, content)
        write_scores(named.scores, users=named.users, items=ids, path=out)
        without = recommender.model.fallbacks_ - before
        figures.update({"items": len(ids.ids), "without_content": without})
        if as_json:
            typer.echo(to_line({**figures, "out": out}))
            return
        typer.echo(f"{len(ids.ids):,} items embedded, {without:,} of them without content: {out}")


@app.command("debias")
@on_tables
def _debias(
    context: typer.Context,
    interactions: _Interactions,
    out: _Out,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Scores of warm and of new items: .npz of embeddings (users, items) or of a "
            "matrix (scores), with user_ids and item_ids; or a table of user_id, item_id, score."
        ),
    ] = None,
    user_embeddings: _Users = None,
    item_embeddings: _ItemVectors = None,
    method: Annotated[
        Literal["scale", "gen", "two_tiers"],
        typer.Option(
            help="scale and gen raise what audiences of warm items score too low; two_tiers keeps "
            "the head of each list and lets the items choose behind it."
        ),
    ] = "gen",
    most_loss: Annotated[
        float, typer.Option(help="Share of NDCG@15 that may be lost, on warm items held out.")
    ] = 0.03,
    validation_share: Annotated[
        float, typer.Option(help="Share of the warm items to choose the strength on.")
    ] = 0.15,
    head: Annotated[int, typer.Option(help="Of two_tiers: places that stay as they are.")] = 30,
    width: Annotated[
        int, typer.Option(help="Width of the embeddings that stand in for a matrix of scores.")
    ] = 100,
    seed: o.Seed = 0,
    as_json: _Json = False,
) -> None:
    """Make the scores of new items fairer: those of items without interactions are written."""
    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.coldstart.debias import DebiasConfig, debias
    from causal_ranker.coldstart.score_files import KINDS, write_scores
    from causal_ranker.coldstart.tables import read_pairs
    from causal_ranker.reporting.places import check_file
    from causal_ranker.reporting.progress import Stages

    settings = DebiasConfig(
        method=method,
        most_loss=most_loss,
        validation_share=validation_share,
        head=head,
        width=width,
        seed=seed,
    )
    check_file(out, kinds=KINDS)
    read = {
        "interactions": interactions,
        "scores": scores,
        "user_embeddings": user_embeddings,
        "item_embeddings": item_embeddings,
    }
    with recorded(context, inputs=read, written=out, config=settings) as figures:
        named = _scores(scores, user_embeddings, item_embeddings, option="--scores")
        pairs = read_pairs(interactions, name="interactions")
        stages = Stages(None if as_json else Console(stderr=True))
        with stages.stage(f"{method}: strengths on held-out items"):
            found = debias(named, pairs, config=settings)
        with stages.stage("writing"):
            write_scores(found.scores, users=found.users, items=found.items, path=out)
        figures.update(_debias_figures(found, method=method))
        _tell_debias(found, figures, out=out, as_json=as_json)


@app.command("evaluate")
@on_tables
def _evaluate(
    context: typer.Context,
    scores: Annotated[
        list[str],
        typer.Option(
            help="FILE or NAME=FILE, once for each ranking, the one to improve on first; see "
            "debias. Files of one name are one method at several strengths."
        ),
    ],
    interactions: _Interactions,
    warm: Annotated[
        str | None,
        typer.Option(help="Interactions that were learned from: their items are not ranked."),
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            help="Length of list, once for each; by default those of 15, 30 and 200 that fit."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where to write the drawing alone, an .svg file.")
    ] = None,
    record: o.Record = None,
    as_json: _Json = False,
) -> None:
    """Say what rankings of new items give users, and what they give the items."""
    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.coldstart.compare import compare
    from causal_ranker.coldstart.sections import judged_sections, metric_figures
    from causal_ranker.coldstart.tables import read_pairs
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line
    from causal_ranker.reporting.progress import Stages

    _check_pages(html, plot)
    read = {
        "interactions": interactions,
        "warm": warm,
        **{f"scores {at}": word.partition("=")[2] or word for at, word in enumerate(scores)},
    }
    with recorded(context, inputs=read, written=html or plot, record=record) as figures:
        named = _rankings(scores)
        later = read_pairs(interactions, name="interactions")
        earlier = None if warm is None else read_pairs(warm, name="warm interactions")
        stages = Stages(None if as_json else Console(stderr=True))
        with stages.stage("ranking"):
            compared = compare(named, later, warm=earlier, lengths=k)
        rankings = compared.rankings
        _write_pages(compared, html, plot)
        judged = {name: [metric_figures(each) for each in of] for name, of in rankings.items()}
        figures.update({**compared.counts, "rankings": judged})
        if as_json:
            typer.echo(to_line(figures))
            return
        for section in judged_sections(rankings):
            print_section(section, Console())
        _tell_counts(compared.counts)
        for path in filter(None, (html, plot)):
            typer.echo(f"written: {path}")


def _rankings(words: list[str]) -> dict[str, list[NamedScores]]:
    """Read FILE or NAME=FILE; without a name, the file's own."""
    from causal_ranker.coldstart.score_files import read_scores

    found: dict[str, list[NamedScores]] = {}
    for word in words:
        name, named, path = word.partition("=")
        if not named:
            name, path = Path(word).stem, word
        found.setdefault(name, []).append(read_scores(path))
    return found


def _scores(
    scores: str | None, users: str | None, items: str | None, *, option: str
) -> NamedScores:
    from causal_ranker.coldstart.score_files import read_embeddings, read_scores

    if scores is not None and users is None and items is None:
        return read_scores(scores)
    if scores is None and users is not None and items is not None:
        return read_embeddings(users, items)
    given = {option: scores, "--user-embeddings": users, "--item-embeddings": items}
    raise ConfigError(
        expected=f"either {option}, or --user-embeddings and --item-embeddings",
        came=", ".join(name for name, path in given.items() if path is not None) or "none of them",
        do="Name the file of scores, or the two tables of embeddings.",
    )


def _check_pages(html: Path | None, plot: Path | None) -> None:
    from causal_ranker.reporting.files import check_page

    if plot is not None and plot.suffix != ".svg":
        raise ConfigError(
            expected="a file for the drawing that ends in .svg",
            came=str(plot),
            do="Choose another name with --plot.",
        )
    for path in filter(None, (html, plot)):
        check_page(path)


def _write_pages(compared: Compared, html: Path | None, plot: Path | None) -> None:
    """Make a document only where a page or a drawing is asked for; drawing loads matplotlib."""
    if html is None and plot is None:
        return
    from causal_ranker.coldstart.choice import NDCG_AT
    from causal_ranker.coldstart.frontier import frontier_figure
    from causal_ranker.coldstart.sections import fairness_document
    from causal_ranker.reporting.files import write_page

    if NDCG_AT not in compared.lengths:
        raise ConfigError(
            expected=f"lists of length {NDCG_AT}, which the drawing is of",
            came=f"{compared.counts['items']} items, in lists of {compared.lengths}",
            do=f"Add --k {NDCG_AT}, rank more items, or leave --html and --plot out.",
        )
    if html is not None:
        meta = {name.replace("_", " "): count for name, count in compared.counts.items()}
        write_page(fairness_document(compared.rankings, meta=meta), html)
    if plot is not None:
        plot.write_text(frontier_figure(compared.rankings).svg + "\n", encoding="utf-8")


def _fit_figures(fitted: Fitted, *, model: str, seconds: float) -> dict[str, Any]:
    from causal_ranker.coldstart.sections import metric_figures

    judged = fitted.held_out
    told = None if judged is None else metric_figures(judged)
    return {"model": model, "seconds": seconds, **fitted.counts, "held_out": told}


def _tell_fit(fitted: Fitted, figures: dict[str, Any], *, out: Path, as_json: bool) -> None:
    from rich.console import Console

    from causal_ranker.coldstart.sections import judged_sections
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    if as_json:
        typer.echo(to_line({**figures, "out": out}))
        return
    _tell_counts(fitted.counts)
    if fitted.held_out is not None:
        title = f"{figures['model']}, items held out"
        for section in judged_sections({title: [fitted.held_out]}):
            print_section(section, Console())
    typer.echo(f"model and {_EMBEDDINGS}: {out} ({figures['seconds']:.1f} s)")


def _debias_figures(found: Debiased, *, method: str) -> dict[str, Any]:
    config = None if found.choice is None else found.choice.config
    chosen = None if config is None else config.model_dump()
    return {"method": method, "chosen": chosen, **found.counts, "missed": found.missed}


def _tell_debias(found: Debiased, figures: dict[str, Any], *, out: Path, as_json: bool) -> None:
    from rich.console import Console

    from causal_ranker.coldstart.sections import choice_section
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    if as_json:
        typer.echo(to_line({**figures, "out": out}))
        return
    _tell_counts(found.counts)
    if found.missed:
        typer.echo(f"share of the scores' squares that embeddings miss: {found.missed:.2%}")
    if found.choice is not None:
        print_section(choice_section(found.choice), Console())
    typer.echo(f"scores of new items: {out}")


def _tell_counts(counts: dict[str, int]) -> None:
    """Say what was used, and of what was left out only what there is."""
    for name, count in counts.items():
        if count:
            typer.echo(f"{name.replace('_', ' ')}: {count:,}")
