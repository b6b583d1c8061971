"""What a bundle goes through in a process of its own: ``python -m causal_ranker.serving.probe``.

It is given a folder and seconds, and prints one line of JSON: what it checked, or why it refuses.
If it dies or hangs, so would a server have done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from causal_ranker.serving.model import TextModel

__all__ = ["main", "probe"]

# LightGBM imports them where they are installed, which takes a second and serves nothing here.
_NOT_NEEDED: Final = ("dask", "matplotlib", "pandas", "polars", "pyarrow", "sklearn")
_RANDOM_ROWS: Final = 1024


def main(folder: str, seconds: str) -> None:
    """Probe a bundle in a process that does nothing else.

    Parameters
    ----------
    folder : str
        Folder of the bundle.
    seconds : str
        After so many the process ends itself, whether or not somebody is left to stop it.
    """
    import resource
    import signal

    signal.alarm(int(seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries print on standard output; the answer has it for itself.
    answer = os.dup(1)
    os.dup2(2, 1)
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]
    from causal_ranker.errors import CausalRankerError
    from causal_ranker.serving.verify import may_pass

    told: dict[str, list[list[str]] | list[str]]
    try:
        told = {"checks": [list(check) for check in probe(Path(folder))]}
    except CausalRankerError as error:
        name = "unread" if may_pass(error) else "refused"
        told = {name: [error.expected, error.came, error.do]}
    os.write(answer, json.dumps(told).encode())


def probe(folder: Path) -> list[tuple[str, str]]:
    """Load a bundle, and let its models score rows far from those they were trained on.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    list of tuple of str
        What was checked, and what was found.

    Raises
    ------
    BundleError
        If it does not load, or a model predicts what is no number.
    """
    from causal_ranker.serving.bundle import load_bundle

    bundle = load_bundle(folder)
    manifest = bundle.manifest
    uplift, base, width = bundle.uplift, bundle.base, bundle.width
    models = [("uplift.txt", uplift.model, uplift.plan)]
    if base is not None:
        models.append(("base.txt", base.model, base.plan))
    if width is not None:
        models.append(("width.txt", width.model, uplift.plan))
    found = [
        ("version", f"{bundle.version}, written {manifest.created_at}"),
        ("format", f"{manifest.format_version}, of package {manifest.package_version}"),
        ("files", f"{len(manifest.files)} have the SHA-256 that the manifest says"),
    ]
    for name, model, plan in models:
        _score_random(model, len(plan.schema.features), name=name)
        found += [
            (f"golden rows of {name}", "scored as they were at publishing"),
            (f"random rows of {name}", f"{_RANDOM_ROWS}, every score a finite number"),
        ]
    return found


def _score_random(model: TextModel, n_features: int, *, name: str) -> None:
    """Score numbers of every size, codes that no level has, and missing values."""
    import numpy as np

    from causal_ranker.errors import BundleError

    rng = np.random.default_rng(0)
    shape = _RANDOM_ROWS, n_features
    X = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-3, 6, shape)
    whole = rng.random(shape) < 0.5
    X[whole] = np.floor(X[whole])
    X[rng.random(shape) < 0.1] = np.nan
    odd = int((~np.isfinite(model.predict(X))).sum())
    if odd:
        raise BundleError(
            expected=f"a finite score of every row by {name}",
            came=f"{odd} of {_RANDOM_ROWS} random rows without one",
            do="Publish the bundle again from the trained model.",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
