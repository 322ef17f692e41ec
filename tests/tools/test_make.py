"""What `make test` runs."""

import os
import re
import subprocess
from collections import Counter

import pytest

from tests.support.paths import ROOT


def commands(target: str) -> str:
    """Return the commands that `make` would run."""
    make = ["make", "--dry-run", "--old-file=.venv/dev", "--old-file=.venv/train", target]
    environment = os.environ | {"MAKEFLAGS": ""}
    return subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_every_folder_of_tests_is_in_one_group() -> None:
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").glob("*/test_*.py")}
    assert Counter(re.findall(r"tests/\w+", commands("test"))) == Counter(folders)


@pytest.mark.parametrize("target", ["test-serving", "test-platform", "test-e2e"])
def test_groups_of_the_serving_half_hide_what_only_training_needs(target: str) -> None:
    assert "-p tests.support.serving_only " in commands(target)
