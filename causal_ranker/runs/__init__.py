"""The record of a run: `record` beside its results, `inputs` what it read, `mlflow` elsewhere."""
