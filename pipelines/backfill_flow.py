"""Credits of past days, several at once: ``python -m pipelines.backfill_flow run``.

Each day lies in a file of its own that is replaced in one step, so that a day may be done again at
any time. After a failure or a kill, ``resume --origin-run-id RUN`` does the portions that are
missing. Settings: `pipelines.settings.BackfillSettings`, in TOML. Where nobody is logged in, as in
a container, name who runs it in METAFLOW_USER.
"""

# Metaflow reads annotations of steps, so that they have none.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

import sys
from pathlib import Path

from metaflow import FlowSpec, IncludeFile, step

# Each step starts this file as a script, in whatever folder.
sys.path.insert(0, str(Path(__file__).parents[1]))


class BackfillFlow(FlowSpec):
    """Days in parallel."""

    file = IncludeFile("settings", help="TOML file of settings.", required=True)

    @step
    def start(self):
        """List the days."""
        from pipelines.backfill import days_to_do
        from pipelines.records import begin

        settings = self._settings()
        self.portions = days_to_do(settings)
        # Some days are credited without a look at the others, and so is what they are made of.
        some = settings.since is not None or settings.until is not None
        self.begun = begin(
            {"impressions": settings.impressions, "plays": settings.plays},
            hashed="nothing" if some else "rows",
        )
        # Without a play there is nothing to do, which an empty foreach would call an error.
        self.work = "some" if self.portions else "none"
        self.next({"some": self.split, "none": self.end}, condition="work")

    @step
    def split(self):
        """Hand the portions out."""
        self.next(self.credit, foreach="portions")

    @step
    def credit(self):
        """Credit the plays of some days."""
        from pipelines.backfill import credit_days

        self.counts = credit_days(self._settings(), self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        """Put the counts together."""
        import pandas as pd

        self.counts = pd.concat([each.counts for each in inputs], ignore_index=True)
        self.merge_artifacts(inputs, exclude=["counts"])
        self.next(self.end)

    @step
    def end(self):
        """Say what was done, and write the run's record."""
        from pipelines.records import finish

        settings = self._settings()
        by_day = {}
        if self.work == "some":
            days, credits = (self.counts[name].tolist() for name in ("day", "credits"))
            by_day = {day.isoformat(): count for day, count in zip(days, credits, strict=True)}
        finish(
            self.begun,
            settings.out,
            command="backfill flow",
            settings=settings,
            figures={"credits": by_day},
        )
        if not by_day:
            print("No plays in these days.")
        else:
            print(f"{len(by_day)} days, {sum(by_day.values()):,} credits")

    def _settings(self):
        import tomllib

        from pipelines.settings import BackfillSettings

        return BackfillSettings(**tomllib.loads(self.file))


if __name__ == "__main__":
    BackfillFlow()
