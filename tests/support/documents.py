"""Parse the documents as GitHub does: examples with their output, links, headings, tables, names of files."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.paths import ROOT

DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
CODE = {"": "sh", "sh": "sh", "bash": "sh", "python": "python", "javascript": "javascript"}
OUTPUT = ("json", "text")

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_IN_HTML = re.compile(r'\b(?:src|srcset|href)="([^"]+)"')


class Example(NamedTuple):
    """Code that a reader may copy, and what it prints if the document says so."""

    document: str
    line: int
    language: str
    code: str
    output: str | None = None

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def tokens(document: str) -> tuple[Token, ...]:
    return tuple(_MARKDOWN.parse((ROOT / document).read_text("utf-8")))


def inline(document: str) -> Iterator[Token]:
    """Yield the texts, code spans, links and images in paragraphs, headings and tables."""
    for token in tokens(document):
        yield from token.children or ()


def examples(document: str) -> list[Example]:
    """Return the examples in order. Raises ValueError for a block in a language that is not listed above.

    What an example prints is the next block under the same heading, if its language is in OUTPUT, or the end of its own
    block, from an empty line on that is followed by JSON.
    """
    found: list[Example] = []
    for token in tokens(document):
        if token.type == "heading_open":
            found.append(Example(document, 0, "", ""))  # output does not reach across a heading
        elif token.type in ("fence", "code_block"):
            assert token.map
            place = document, token.map[0] + 1
            code, *output = re.split(r"\n\n+(?=[{\[])", token.content, maxsplit=1)
            if language := CODE.get(token.info):
                found.append(Example(*place, language, code, *output))
            elif token.info not in OUTPUT:
                raise ValueError(f"{place}: a block is in one of {[*CODE, *OUTPUT]}, not in {token.info}")
            elif found and found[-1].code and found[-1].output is None:
                found[-1] = found[-1]._replace(output=token.content)
    return [example for example in found if example.code]


def links(document: str) -> list[str]:
    """Return the targets of links and images, in Markdown and in HTML."""
    found = [str(token.attrs[name]) for token in inline(document) for name in ("href", "src") if name in token.attrs]
    html = [token for token in (*tokens(document), *inline(document)) if token.type.startswith("html")]
    return found + [target for token in html for target in _IN_HTML.findall(token.content)]


@cache
def anchors(document: str) -> frozenset[str]:
    """Return the anchors that GitHub gives the headings: lower case, without punctuation, numbered if repeated."""
    seen = Counter[str]()
    found = set()
    for heading, content in pairwise(tokens(document)):
        if heading.type == "heading_open":
            text = "".join(child.content for child in content.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return frozenset(found)


def spans(document: str) -> list[str]:
    """Return the texts in `backticks`."""
    return [token.content for token in inline(document) if token.type == "code_inline"]


def bold(document: str) -> list[str]:
    """Return the texts in **bold** type."""
    return [text.content for mark, text in pairwise(inline(document)) if mark.type == "strong_open"]


def tables(document: str) -> list[list[list[str]]]:
    """Return the tables: lists of rows, the heading first, of cells in Markdown."""
    found: list[list[list[str]]] = []
    for token, cell in pairwise(tokens(document)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            found[-1][-1].append(cell.content)
    return found


@cache
def files() -> frozenset[Path]:
    """Return the files of the checkout that git does not ignore, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return frozenset(Path(name) for name in listed if (ROOT / name).exists())


@cache
def folders() -> frozenset[Path]:
    return frozenset(folder for file in files() for folder in file.parents)
