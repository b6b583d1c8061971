"""The report: a document with its numbers, for the browser, machines, notebooks and consoles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causal_ranker.evaluation.background import usual_assumptions
from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.sections import evaluation_sections
from causal_ranker.evaluation.verdict import refusal, verdict
from causal_ranker.reporting.blocks import Document, Section
from causal_ranker.reporting.console import print_document
from causal_ranker.reporting.files import write_page
from causal_ranker.reporting.html import to_html
from causal_ranker.reporting.json import to_dict, to_line

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from causal_ranker.errors import OverlapError

__all__ = ["Report", "build_report", "refused_report"]


@dataclass(frozen=True)
class Report:
    """What was found, ready to be shown.

    Parameters
    ----------
    document : Document
        Words, tables and drawings; the verdict first.
    evaluation : Evaluation
        The numbers behind them.
    """

    document: Document
    evaluation: Evaluation

    @property
    def figures(self) -> dict[str, Any]:
        """The evaluation's numbers as nested dictionaries, in plays per slot or exposure."""
        return asdict(self.evaluation)

    def to_html(self, path: str | Path) -> Path:
        """Write one self-contained page; readers see the old file or the whole new one.

        Parameters
        ----------
        path : str or Path
            The file to write, in a folder that exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If the file cannot be written there.
        """
        return write_page(self.document, Path(path))

    def to_json(self) -> str:
        """Return the report for machines.

        Returns
        -------
        str
            One JSON object: the document's ``title``, ``verdict``, ``sections`` and ``meta``,
            and ``figures`` with the evaluation's numbers, effects in plays per slot or exposure.
        """
        figures = json.loads(to_line(self.figures))  # what is not finite becomes null
        whole = {**to_dict(self.document), "figures": figures}
        return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_frame(self) -> pd.DataFrame:
        """Return the table of policies.

        Returns
        -------
        pandas.DataFrame
            One row per policy, indexed by its name; play rate@k and uplift@k in plays per slot, and
            their paired differences to the baseline, each with the ends of its interval.
        """
        import pandas as pd

        comparison = self.evaluation.comparison
        records = [
            {
                "policy": result.policy,
                "play_rate": result.play_rate.point,
                "play_rate_low": result.play_rate.low,
                "play_rate_high": result.play_rate.high,
                "play_rate_difference": result.play_rate_difference.point,
                "play_rate_difference_low": result.play_rate_difference.low,
                "play_rate_difference_high": result.play_rate_difference.high,
                "uplift": result.uplift.point,
                "uplift_low": result.uplift.low,
                "uplift_high": result.uplift.high,
                "overlap": result.overlap,
                "difference": result.difference.point,
                "difference_low": result.difference.low,
                "difference_high": result.difference.high,
            }
            for result in comparison.results
        ]
        return pd.DataFrame.from_records(records, index="policy")

    def with_sections(self, sections: Sequence[Section]) -> Report:
        """Return the report with further sections at its end.

        Parameters
        ----------
        sections : sequence of Section
            What to append. A section that has the title of one of them gives way to it.

        Returns
        -------
        Report
            A new report.
        """
        titles = {section.title for section in sections}
        kept = [each for each in self.document.sections if each.title not in titles]
        document = replace(self.document, sections=[*kept, *sections])
        return replace(self, document=document)

    def with_remark(self, sentence: str) -> Report:
        """Return the report with one more sentence after its verdict.

        Parameters
        ----------
        sentence : str
            What a reader must know before the figures.

        Returns
        -------
        Report
            A new report.
        """
        document = replace(self.document, verdict=f"{self.document.verdict} {sentence}")
        return replace(self, document=document)

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own: its style is not the notebook's."""
        # its links to its own parts would otherwise lead into the notebook's page
        page = to_html(self.document).replace("<head>", '<head><base href="about:srcdoc">', 1)
        return (
            f'<iframe srcdoc="{escape(page)}" sandbox="" '
            f'title="{escape(self.document.title)}" '
            'style="width: 100%; height: 45rem; border: 1px solid #8888; border-radius: 4px">'
            "</iframe>"
        )

    def print(self, console: Console) -> None:
        """Print the report.

        Parameters
        ----------
        console : rich.console.Console
            Where to print it.
        """
        print_document(self.document, console)


#: What a reader looks for first, by title; the rest follows in its own order.
_FIRST = ("How well the scores find uplift", "Policies")

_OBSERVATIONAL = (
    " The logs are observational: this holds if what stands under 'What has to be true for this' "
    "does."
)


def build_report(
    evaluation: Evaluation,
    *,
    title: str,
    policy: str,
    outcome: str = "plays",
    observational: bool = False,
    background: Sequence[Section] = (),
    meta: Mapping[str, object] | None = None,
) -> Report:
    """Assemble the report of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    title : str
        Name of the report.
    policy : str
        The policy that was frozen before these data were read; the verdict is about it.
    outcome : str
        What one outcome is called, in the plural.
    observational : bool
        Whether the propensities were estimated and not logged: the verdict then says on what it
        rests.
    background : sequence of Section
        What follows the evidence: rows, labels, how to repeat it; assumptions, where there are
        others than the usual ones.
    meta : mapping of str to values, optional
        How the report came about; shown last.

    Returns
    -------
    Report
        The report.

    Raises
    ------
    ConfigError
        If the policy was not compared.
    """
    found = evaluation_sections(evaluation, outcome=outcome)
    document = Document(
        title=title,
        verdict=verdict(evaluation, policy=policy, outcome=outcome)
        + (_OBSERVATIONAL if observational else ""),
        sections=[*sorted(found, key=_place), usual_assumptions(observational=observational)],
        meta=dict(meta or {}),
    )
    return Report(document=document, evaluation=evaluation).with_sections(background)


def _place(section: Section) -> int:
    return _FIRST.index(section.title) if section.title in _FIRST else len(_FIRST)


def refused_report(error: OverlapError, *, background: Sequence[Section]) -> Document:
    """Assemble the report of an evaluation that cannot be: a refusal is an answer, too.

    Parameters
    ----------
    error : OverlapError
        Why these logs do not tell.
    background : sequence of Section
        How to come to the same refusal.

    Returns
    -------
    Document
        A verdict without figures.
    """
    return Document(title="Causal Ranker report", verdict=refusal(error), sections=background)
