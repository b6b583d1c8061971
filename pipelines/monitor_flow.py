"""What has drifted since, and what to do: ``python -m pipelines.monitor_flow run``.

Each table is a window beside its reference, judged in a process of its own. Settings:
`pipelines.settings.MonitorSettings`, in TOML. Where nobody is logged in, as in a container, name
who runs it in METAFLOW_USER.
"""

# Metaflow reads annotations of steps, so that they have none.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

import sys
from pathlib import Path

from metaflow import FlowSpec, IncludeFile, Parameter, card, current, step

# Each step starts this file as a script, in whatever folder.
sys.path.insert(0, str(Path(__file__).parents[1]))


class MonitorFlow(FlowSpec):
    """Windows, detectors, review queue, advice."""

    file = IncludeFile("settings", help="TOML file of settings.", required=True)
    out = Parameter("out", help="Folder below which runs are kept.", default="runs/monitor")

    @step
    def start(self):
        """Open the run's folder."""
        from pipelines.records import begin
        from pipelines.watching import inputs_of

        settings = self._settings()
        folder = Path(self.out).absolute() / str(current.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = str(folder)
        self.begun = begin(inputs_of(settings))
        self.tables = sorted(settings.tables)
        self.next(self.watch, foreach="tables")

    @card(type="html")
    @step
    def watch(self):
        """Judge the window of one table."""
        from pipelines.watching import watch

        self.found = watch(self._settings(), Path(self.folder), table=self.input)
        self.html = (Path(self.folder) / f"{self.input}.html").read_text(encoding="utf-8")
        self.next(self.review)

    @step
    def review(self, inputs):
        """Enter the alerts into the review queues."""
        from pipelines.watching import send_to_review

        self.all_found = [each.found for each in inputs]
        self.merge_artifacts(inputs, exclude=["found", "html"])
        self.to_review = send_to_review(self._settings(), self.all_found)
        self.next(self.end)

    @step
    def end(self):
        """Say what to do, and write the run's record."""
        from pipelines.records import finish
        from pipelines.watching import advise

        self.advice, self.sentences = advise(self.all_found)
        finish(
            self.begun,
            Path(self.folder),
            command="monitor flow",
            settings=self._settings(),
            figures={
                "advice": self.advice,
                "verdicts": self.sentences,
                "drifted": {each.table: each.report.drifted for each in self.all_found},
                "new_alerts_to_review": self.to_review,
            },
        )
        print(*self.sentences, sep="\n")
        print(f"advice: {self.advice}; {self.to_review} new alerts to review")

    def _settings(self):
        import tomllib

        from pipelines.settings import MonitorSettings

        return MonitorSettings(**tomllib.loads(self.file))


if __name__ == "__main__":
    MonitorFlow()
