"""From logs to a published model, every night: ``python -m pipelines.train_flow run``.

Metaflow runs the steps here, one process each; with its own words on the command line it runs them
on Kubernetes, AWS Batch or Argo. After a failure or a kill, ``resume --origin-run-id RUN`` goes on
with the first step that has not ended. Settings: `pipelines.settings.TrainSettings`, in TOML. Where
nobody is logged in, as in a container, name who runs it in METAFLOW_USER.
"""

# Metaflow reads annotations of steps, so that they have none.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

import sys
from pathlib import Path

from metaflow import FlowSpec, IncludeFile, Parameter, card, current, step

# Each step starts this file as a script, in whatever folder.
sys.path.insert(0, str(Path(__file__).parents[1]))


class TrainFlow(FlowSpec):
    """Logs, attribution, labels, features, learners, gate, publish, promote or hold."""

    file = IncludeFile("settings", help="TOML file of settings.", required=True)
    out = Parameter("out", help="Folder below which runs are kept.", default="runs/train")

    @step
    def start(self):
        """Check the logs, and open the run's folder."""
        from pipelines.labelling import check_logs
        from pipelines.records import begin

        settings = self._settings()
        check_logs(settings)
        folder = Path(self.out).absolute() / str(current.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = str(folder)
        self.begun = begin(settings.logs.model_dump())
        self.learners = list(settings.learners)
        self.next(self.attribute)

    @step
    def attribute(self):
        """Credit the plays."""
        from pipelines.labelling import write_credits

        self.credits = write_credits(self._settings(), Path(self.folder))
        self.next(self.label)

    @step
    def label(self):
        """Label every candidate whose horizon has ended."""
        from pipelines.labelling import write_labels

        self.labels = write_labels(self._settings(), Path(self.folder))
        self.next(self.features)

    @step
    def features(self):
        """Read features as of each request, and fit the nuisances that all learners share."""
        from pipelines.training import prepare

        self.rows = prepare(self._settings(), Path(self.folder))
        self.next(self.learn, foreach="learners")

    @card(type="html")
    @step
    def learn(self):
        """Train one learner, and judge it on the hold-out."""
        from pipelines.training import learn
        from pipelines.trials import PAGE

        self.trial = learn(self._settings(), Path(self.folder), learner=self.input)
        self.html = (Path(self.trial.folder) / PAGE).read_text(encoding="utf-8")
        self.next(self.choose)

    @step
    def choose(self, inputs):
        """Keep one learner; the hold-out has no say."""
        from pipelines.trials import choose

        self.trials = [each.trial for each in inputs]
        self.trial = choose(self.trials)
        self.merge_artifacts(inputs, exclude=["html", "trial"])
        print(f"kept: {self.trial.learner}")
        self.next(self.gate)

    @card(type="html")
    @step
    def gate(self):
        """Say whether the one that was kept may be published, and if not, why."""
        from pipelines.trials import PAGE, judge

        self.reasons = judge(self.trial, self._settings().gate)
        self.html = (Path(self.trial.folder) / PAGE).read_text(encoding="utf-8")
        self.version = None
        self.verdict = "hold" if self.reasons else "publish"
        self.next({"publish": self.publish, "hold": self.end}, condition="verdict")

    @step
    def publish(self):
        """Verify the model in a process of its own, and add it to the registry."""
        from causal_ranker.serving.registry import Registry
        from pipelines.trials import MODELS

        registry = Registry(self._settings().registry)
        self.version = registry.adopt(Path(self.trial.folder) / MODELS)
        self.next(self.promote)

    @step
    def promote(self):
        """Let it answer from now on, where the settings say so."""
        from causal_ranker.serving.registry import Registry

        settings = self._settings()
        if settings.promote:
            Registry(settings.registry).promote(str(self.version))
        self.next(self.end)

    @step
    def end(self):
        """Write the run's record."""
        from pipelines.trials import record_run

        told = record_run(
            self._settings(),
            Path(self.folder),
            begun=self.begun,
            kept=self.trial,
            reasons=self.reasons,
            version=self.version,
        )
        print(told)

    def _settings(self):
        import tomllib

        from pipelines.settings import TrainSettings

        return TrainSettings(**tomllib.loads(self.file))


if __name__ == "__main__":
    TrainFlow()
