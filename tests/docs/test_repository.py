"""The files at the root and in .github agree with what the repository has."""

import re
import subprocess
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import files, links, tables, tokens
from tests.support.paths import ROOT

DECISIONS = sorted(path.name for path in files() if re.fullmatch(r"docs/decisions/\d.*\.md", str(path)))
UNFORMATTED = ("models/*", "tests/support/tiny_model/*", "docs/models.svg")  # written by programs
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of keepachangelog.com


def headings(document: str, level: int) -> list[str]:
    pairs = pairwise(tokens(document))
    return [text.content for opening, text in pairs if opening.type == "heading_open" and opening.tag == f"h{level}"]


def hooks() -> list[dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    return list(repository["hooks"])


def commands(*targets: str) -> list[str]:
    """Return what make would run for `targets`, without anything it would install."""
    made = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/train", *targets]
    return subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_hooks_run_the_commands_of_make_check() -> None:
    targets = [hook["entry"].removeprefix("make ") for hook in hooks()]
    assert len(targets) > 5
    assert [line for target in targets for line in commands(target)] == commands("check")


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_hook_runs_the_projects_own_tool_on_files_that_exist(hook: dict[str, Any]) -> None:
    assert (hook["language"], hook["pass_filenames"]) == ("system", False)
    assert [path for path in files() if re.search(hook["files"], str(path))]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sentiment/text.py", {"check-format", "check-lint", "check-types", "check-imports"}),
        ("pyproject.toml", {"check-format", "check-lint", "check-types", "check-imports"}),
        ("web/strings.fr.json", {"check-strings"}),
        ("infra/queries/latency.kql", {"check-queries", "check-templates"}),
        ("infra/app/site.bicep", {"check-templates"}),
        (".ci/run", {"check-scripts"}),
        (".github/workflows/ci.yml", {"check-workflows"}),
        ("docs/index.md", set()),
    ],
)
def test_commit_runs_the_hooks_that_concern_its_files(path: str, expected: set[str]) -> None:
    assert Path(path) in files()
    assert {hook["id"] for hook in hooks() if re.search(hook["files"], path)} == expected


def test_codeowners_patterns_match_files() -> None:
    lines = (ROOT / ".github/CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"  # no file is without an owner
    for pattern, *owners in rules:
        assert owners and all(owner.startswith("@") for owner in owners), pattern
        assert [path for path in files() if fnmatch(f"/{path}", f"{pattern}*")], pattern


def test_decisions_are_numbered_and_in_the_index() -> None:
    assert len(DECISIONS) > 9
    assert [int(name[:4]) for name in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert [link for link in links("docs/decisions/README.md") if link in DECISIONS] == DECISIONS


def test_readme_links_to_the_decisions_the_changelog_and_the_security_policy() -> None:
    assert {"docs/decisions/README.md", "CHANGELOG.md", "SECURITY.md"} <= set(links("README.md"))


def test_architecture_answers_where_to_change_what() -> None:
    (rows,) = [rows for rows in tables("docs/architecture.md") if rows[0] == ["you want to change", "files", "test"]]
    subjects = [row[0] for row in rows[1:]]
    for subject in (
        "a field of the answer",
        "a warning",
        "a family of models",
        "an alert rule",
        "the mask for phone numbers",
        "a third language",
        "the retry policy of the table",
        "a metric",
        "a shadow model",
        "another store",
    ):
        assert any(name.startswith(subject) for name in subjects), subject
    assert all("`tests/" in test and "`" in changed for _, changed, test in rows[1:])


@pytest.mark.parametrize("name", DECISIONS)
def test_decision_has_its_four_parts(name: str) -> None:
    document = f"docs/decisions/{name}"
    (title,) = headings(document, 1)
    assert title.startswith(f"{int(name[:4])}. ")
    assert headings(document, 2) == ["Context", "Decision", "Rejected", "Consequences"]


def test_changelog_has_a_section_for_each_tag() -> None:
    listed = subprocess.run(["git", "tag", "--list", "v*"], cwd=ROOT, capture_output=True, text=True, check=True)
    first, *releases = headings("CHANGELOG.md", 2)
    assert first == "Unreleased"
    described = {release.partition(" ")[0] for release in releases}
    assert described >= {tag.removeprefix("v") for tag in listed.stdout.split()}
    assert set(headings("CHANGELOG.md", 3)) <= SECTIONS


def test_text_files_are_as_editorconfig_says() -> None:
    """No trailing space, a final newline, no tabs outside the Makefile."""
    for path in sorted(files()):
        if any(fnmatch(str(path), pattern) for pattern in UNFORMATTED) or not (ROOT / path).is_file():
            continue
        content = (ROOT / path).read_bytes()
        if b"\0" in content or not content:
            continue
        assert content.endswith(b"\n"), path
        assert not re.search(rb"[ \t\r]$", content, re.MULTILINE), path
        assert path.name == "Makefile" or not re.search(rb"^\t", content, re.MULTILINE), path
