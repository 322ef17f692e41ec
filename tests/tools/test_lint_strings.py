"""The page's strings: used ones are defined, defined ones are used."""

import pytest

from tools.lint_strings import find_problems

KEYS = {"one.blank", "one.title", "verdict.hold", "verdict.publish"}
SOURCES = '<b data-text="one.title"></b> t("one.blank") t(`verdict.${decision}`)'


def test_accepts_keys_that_are_named_or_built_from_a_template() -> None:
    assert not list(find_problems(KEYS, SOURCES))


@pytest.mark.parametrize(
    ("keys", "sources", "problem"),
    [
        (KEYS - {"one.title"}, SOURCES, "one.title is used, but"),
        (KEYS, SOURCES + ' const key = "one.none";', "one.none is used, but"),
        (KEYS, SOURCES + " t(`warning.${code}`)", "has no key like"),
        (KEYS | {"one.left"}, SOURCES, "one.left is in strings.en.json, but nothing uses it"),
    ],
)
def test_reports_undefined_and_unused_keys(keys: set[str], sources: str, problem: str) -> None:
    (found,) = find_problems(keys, sources)
    assert problem in found
