"""The command line in this process, as the tests of that room call it."""

from tests.cli.conftest import run

__all__ = ["run"]
