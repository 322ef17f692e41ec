"""Every `python -m training …` in the documents and in the Makefile has arguments that the command accepts."""

import argparse
import os
import re
import shlex
import subprocess
from importlib import import_module

import pytest

from tests.support.documents import DOCUMENTS, examples
from tests.support.paths import ROOT
from training.__main__ import COMMANDS
from training.families import load_family
from training.families.settings import configure

EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]


def calls(code: str) -> list[str]:
    """Return the rest of the line after every `-m training`."""
    lines = code.replace("\\\n", " ").splitlines()
    return [line.partition("-m training ")[2] for line in lines if "-m training " in line]


def parse(line: str) -> None:
    """Raise unless the command accepts these arguments, and its family these settings.

    A word stands for the output of a `$(command)`.
    """
    command, *arguments = shlex.split(re.sub(r"\$\(.*?\)", "RUN", line).partition(" >")[0])
    assert command in COMMANDS
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(f"training.commands.{command}").add_arguments(parser)
    parsed = parser.parse_args(arguments)
    if command in ("train", "tune"):
        configure(load_family(parsed.family).Configuration, parsed.set)


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=example.place) for example in EXAMPLES for line in calls(example.code)]
)
def test_documented_arguments_are_accepted(line: str) -> None:
    parse(line)


def test_arguments_that_make_train_gives_are_accepted() -> None:
    command = ["make", "-o", ".venv/train", "--dry-run", "train", "DATA=tweets.csv"]
    environment = os.environ | {"MAKEFLAGS": ""}
    lines = calls(subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True).stdout)
    assert [line.split()[0] for line in lines] == ["prepare", "train", "export", "promote"]
    for line in lines:
        parse(line)
