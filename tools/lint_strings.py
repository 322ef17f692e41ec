"""`python -m tools.lint_strings`: check that the page uses every string of web/strings.en.json and no other.

A key is used if index.html or a module names it: `data-text="verdict.hold"`, `t("verdict.hold")`, or as a template,
t(`verdict.${decision}`). `make check` runs this.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).resolve().parents[1] / "web"
_ATTRIBUTE = re.compile(r'data-(?:text|label|placeholder|title)="([^"]+)"')
_CALL = re.compile(r'\bt\(\s*"([^"]+)"')
_LITERAL = re.compile(r'"([a-z]+(?:\.\w+)+)"')  # a key that is passed on to t()
_TEMPLATE = re.compile(r"\b(?:t|known)\(`([^`]+)`")
_EXPRESSION = re.compile(r"\$\{.*?\}")


def main() -> None:
    keys = set(json.loads((WEB / "strings.en.json").read_text()))
    sources = "\n".join(path.read_text() for path in sorted(WEB.iterdir()) if path.suffix in {".html", ".js"})
    sys.exit("\n".join(find_problems(keys, sources)) or None)


def find_problems(keys: set[str], sources: str) -> Iterator[str]:
    """Yield a line for every key that is used but not defined, or defined but not used."""
    named = {*_ATTRIBUTE.findall(sources), *_CALL.findall(sources)}
    areas = {key.partition(".")[0] for key in keys}
    named |= {literal for literal in _LITERAL.findall(sources) if _is_key(literal, areas)}
    templates = [_to_pattern(template) for template in _TEMPLATE.findall(sources)]
    for key in sorted(named - keys):
        yield f"web: {key} is used, but strings.en.json does not have it"
    for pattern in templates:
        if not any(pattern.fullmatch(key) for key in keys):
            yield f"web: strings.en.json has no key like {pattern.pattern}"
    for key in sorted(keys - named):
        if not any(pattern.fullmatch(key) for pattern in templates):
            yield f"web: {key} is in strings.en.json, but nothing uses it"


def _is_key(literal: str, areas: set[str]) -> bool:
    return literal.partition(".")[0] in areas and not literal.endswith((".js", ".json"))


def _to_pattern(template: str) -> re.Pattern[str]:
    """Return what a JavaScript template literal can become: any word for each of its expressions."""
    return re.compile(r"\w+".join(map(re.escape, _EXPRESSION.split(template))))


if __name__ == "__main__":
    main()
