"""What the demonstration prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from causal_ranker.columns import Columns as C
from causal_ranker.demo.result import Demonstration
from causal_ranker.reporting.blocks import Section, Table
from causal_ranker.reporting.console import print_section
from causal_ranker.serving.adapter import RerankedList

__all__ = ["show"]

_ON_CONSOLE = (
    "Rows by stage",
    "Policies",
    "Estimated and true uplift",
    "Sensitivity",
    "Cross-check",
)


def show(done: Demonstration, *, report_path: Path, console: Console) -> None:
    """Print rows by stage, policies, the verdict, one user's two lists, and where things lie.

    Parameters
    ----------
    done : Demonstration
        The finished run.
    report_path : Path
        Where the report was written.
    console : rich.console.Console
        Where to print.
    """
    document = done.report.document
    sections = {each.title: each for each in document.sections}
    for title in _ON_CONSOLE:
        if title in sections:
            print_section(sections[title], console)
    console.print()
    console.print(document.verdict, style="bold")
    user, reranked = _most_moved(done)
    print_section(_two_lists(user, reranked, k=done.ranker.k, names=done.names), console)
    console.print()
    console.print(f"report  {report_path}", soft_wrap=True)
    console.print(f"model   {done.model}", soft_wrap=True)
    offered = "" if done.offers is None else f" --candidates {_offer(done, user, report_path)}"
    console.print(
        f"try     causal-ranker rerank --model {done.model} --user {user}{offered}", soft_wrap=True
    )


def _offer(done: Demonstration, user: int | str, report_path: Path) -> Path:
    """Write down what the base recommender offers a user: this bundle holds no base model."""
    assert done.offers is not None
    path = report_path.with_name("candidates.csv")
    lines = [f"{item},{score!r}" for item, score in done.offers[user]]
    path.write_text("\n".join([f"{C.ITEM},{C.BASE_SCORE}", *lines, ""]), encoding="utf-8")
    return path


def _most_moved(done: Demonstration) -> tuple[int | str, RerankedList]:
    """Pick, of the first hundred users, the one whose first slots change most."""
    users = done.ranker.known_users()[:100]
    lists = {
        user: done.ranker.rerank(user, None if done.offers is None else done.offers[user])
        for user in users
    }
    k = done.ranker.k

    def new_in_slate(reranked: RerankedList) -> int:
        return int((reranked.base_rank[:k] > k).sum())

    user = max(users, key=lambda each: new_in_slate(lists[each]))
    return user, lists[user]


def _two_lists(
    user: int | str, reranked: RerankedList, *, k: int, names: Mapping[int | str, str]
) -> Section:
    by_base = sorted(range(len(reranked.items)), key=lambda place: reranked.base_rank[place])
    rows = []

    def name(place: int) -> str:
        item = reranked.items[place]
        return names.get(item, str(item))

    for slot in range(min(k, len(reranked.items))):
        base = by_base[slot]
        rows.append(
            [
                slot + 1,
                name(base),
                float(reranked.uplift[base]),
                name(slot),
                float(reranked.uplift[slot]),
                f"{int(reranked.base_rank[slot]) - slot - 1:+d}",
            ]
        )
    return Section(
        f"User {user} (of the first hundred the one whose list changes most): both lists",
        [
            Table(
                ["slot", "base list", "uplift", "causal list", "uplift ", "places up"],
                rows,
                "Uplift in extra plays per impression; places up against the base list.",
            )
        ],
    )
