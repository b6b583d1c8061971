"""The commands ``explain-config`` and ``completion``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    from causal_ranker.config import FrozenConfig
    from causal_ranker.explain import Setting

__all__ = ["app"]

app = typer.Typer()

_Of = Literal["chain", "serve", "monitor", "experiment"]


@app.command("explain-config")
def _explain(
    file: Annotated[
        Path | None, typer.Argument(help="TOML file; without one, the defaults are told.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Only settings of this name or below it, such as run or features."),
    ] = None,
    of: Annotated[
        _Of,
        typer.Option(
            help="Whose settings they are: of attribute, label, fit and evaluate; of serve; of "
            "monitor; or of experiment read."
        ),
    ] = "chain",
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Print each setting of a file: its value, its meaning, what it may be, what refuses it."""
    from dataclasses import asdict

    from causal_ranker.config import read_toml
    from causal_ranker.explain import explain
    from causal_ranker.reporting.json import to_line

    given: dict[str, Any] = {} if file is None else read_toml(file)
    kind = _kind(of)
    # Without a file there is nothing to refuse: what a file has to say is told as such.
    config = kind.model_construct() if file is None else kind(**given)
    found = explain(config, given=given)
    if key is not None:
        found = _below(found, key)
    if as_json:
        told = {"of": of, "file": file, "settings": [asdict(each) for each in found]}
        typer.echo(to_line(told))
        return
    for each in found:
        typer.echo(_lines(each))


@app.command("completion")
def _completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Your shell.")],
) -> None:
    """Print a script that completes commands and options when Tab is pressed.

    bash: eval "$(causal-ranker completion bash)", in ~/.bashrc. zsh: the same in ~/.zshrc, after
    compinit. fish: causal-ranker completion fish > ~/.config/fish/completions/causal-ranker.fish.
    """
    # typer re-exports it without saying so
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    typer.echo(
        get_completion_script(
            prog_name="causal-ranker", complete_var="_CAUSAL_RANKER_COMPLETE", shell=shell
        )
    )


def _kind(of: _Of) -> type[FrozenConfig]:
    """Import the one that is asked for: each of them loads a room."""
    if of == "serve":
        from causal_ranker.serving.config import ServeConfig

        return ServeConfig
    if of == "monitor":
        from causal_ranker.drift.monitor import MonitorConfig

        return MonitorConfig
    if of == "experiment":
        from causal_ranker.experiments.config import ReadoutConfig

        return ReadoutConfig
    from causal_ranker.chain.project import ProjectConfig

    return ProjectConfig


def _below(found: list[Setting], key: str) -> list[Setting]:
    import difflib

    some = [
        each for each in found if each.key == key or each.key.startswith((f"{key}.", f"{key}["))
    ]
    if some:
        return some
    names = {each.key for each in found} | {each.key.partition(".")[0] for each in found}
    near = difflib.get_close_matches(key, sorted(names), n=1, cutoff=0.5)
    raise ConfigError(
        expected="--key with the name of a setting, or of a table of settings",
        came=repr(key),
        do=f"Is {near[0]!r} meant?" if near else "Leave it out to see all of them.",
    )


def _lines(each: Setting) -> str:
    import json

    value = json.dumps(each.value, ensure_ascii=False)
    if each.required:
        whence = "given" if each.given else "has to be given"
    elif each.given:
        default = json.dumps(each.default, ensure_ascii=False, default=str)
        whence = f"given; the default is {default}"
    else:
        whence = "default"
    lines = [f"{each.key} = {value}  ({whence})"]
    lines += [f"    {each.meaning}"] if each.meaning else []
    lines.append(f"    May be: {each.allowed}.")
    lines += [f"    Refused unless: {rule}." for rule in each.refused]
    return "\n".join(lines)
