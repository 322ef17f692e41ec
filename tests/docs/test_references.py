"""The documents name files, headings, commands and settings that exist, and leave none out."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from functions.shared.report_limit import PER_CALLER, PER_INSTANCE
from infra import bicep
from sentiment.verdict import WarningCode
from tests.support.app import App
from tests.support.documents import DOCUMENTS, anchors, bold, examples, files, folders, links, spans, tables
from tests.support.paths import ROOT
from tests.support.settings import names_read

PICTURE = ROOT / "docs/architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"
SUFFIXES = {path.suffix for path in files()} - {""}
# Created when they are needed, in the package or with a data set, so not in the checkout.
CREATED = {"local.settings.json", "model_digests.json", "build.json", "report.json"}
# Set by the Functions host and by App Service.
SET_BY_HOST = {"AZURE_FUNCTIONS_ENVIRONMENT", "WEBSITE_AUTH_ENABLED"}


def targets(document: str) -> list[str]:
    return [link for link in links(document) if not urlsplit(link).scheme]


def missing(document: str, link: str) -> bool:
    """Return whether the target of a relative link does not exist."""
    path, _, anchor = unquote(link).partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    if not target.exists():
        return True
    name = str(target.resolve().relative_to(ROOT))
    return bool(anchor) and not (name in DOCUMENTS and anchor in anchors(name))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings(document: str) -> None:
    assert [link for link in targets(document) if missing(document, link)] == []


@pytest.mark.parametrize("link", ["nowhere.md", "operations.md#nowhere", "#nowhere", "models.svg#nowhere"])
def test_finds_broken_link(link: str) -> None:
    assert missing("docs/training.md", link)


def test_every_document_is_reached_from_the_first() -> None:
    beside = {document.removeprefix("docs/") for document in DOCUMENTS if re.fullmatch(r"docs/[\w-]+\.md", document)}
    assert set(targets("docs/index.md")) >= beside - {"index.md"}
    assert "docs/index.md" in targets("README.md")


def is_path(span: str) -> bool:
    """Return whether `span` looks like a file or a folder of the checkout."""
    if re.search(r"[^\w./*-]|NAME", span) or span in CREATED or span.startswith((".local", ".venv", "/")):
        return False
    top = span.partition("/")[0]
    return ("/" in span and Path(top) in folders()) or Path(span).suffix in SUFFIXES or span.endswith("/")


def exists(span: str) -> bool:
    """Return whether a file or folder has this path, or one that ends so: text about a folder leaves its name out."""
    names = [f"/{path}/" for path in folders()] if span.endswith("/") else [f"/{path}" for path in files()]
    return any(fnmatch(name, f"*/{span}") for name in names)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_named_in_documents_exist(document: str) -> None:
    assert [span for span in spans(document) if is_path(span) and not exists(span)] == []


@pytest.mark.parametrize("span", ["sentiment/nothing.py", "nothing.kql", "functions/nothing/", "nothing/"])
def test_finds_missing_file(span: str) -> None:
    assert is_path(span) and not exists(span)


def test_make_commands_in_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    code = {span for document in DOCUMENTS for span in spans(document)}
    code |= {example.code for document in DOCUMENTS for example in examples(document)}
    calls = [
        call.split() for text in code for call in re.findall(r"\bmake ((?:[a-z0-9-]+|[A-Z]+=\S*)(?: \S+=\S*)*)", text)
    ]
    assert {"serve", "test", "drill", "cost"} <= {word for call in calls for word in call}
    for word in {word for call in calls for word in call}:
        name, is_variable, _ = word.partition("=")
        assert f"$({name})" in makefile or f"{name}=" in makefile if is_variable else name in known, word


def test_documented_settings_are_those_that_the_app_reads() -> None:
    (settings,) = [rows for document in DOCUMENTS for rows in tables(document) if rows[0][0] == "setting"]
    named = [name for row in settings[1:] for name in re.findall(r"`([A-Z_]+)`", row[0])]
    assert sorted(named) == sorted(names_read() - SET_BY_HOST)


def test_documented_limits_of_reports_are_those_of_the_app() -> None:
    text = " ".join((ROOT / "docs/api.md").read_text().split())
    for rate in (PER_CALLER, PER_INSTANCE):
        assert f"{60 * rate.per_second:,.0f} reports a minute, {rate.burst:,} of them at once" in text


def test_quickstart_names_labels_of_the_page() -> None:
    strings = json.loads((ROOT / "web/strings.en.json").read_text())
    labels = bold("docs/quickstart.md")
    assert len(labels) > 4 and [label for label in labels if label not in strings.values()] == []


def test_api_guide_explains_every_status(served: App) -> None:
    document = served.http.get("/api/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    statuses = {int(status) for operation in operations for status in operation["responses"] if int(status) >= 400}
    (errors,) = [rows for rows in tables("docs/api.md") if rows[0][0] == "status"]
    explained = {int(status) for row in errors for status in re.findall(r"\d{3}", row[0])}
    assert explained == statuses | {404, 405, 429, 500}  # any request may get these four
    paths = {re.sub(r"^\w+ ", "", span) for span in spans("docs/api.md")}
    assert set(document["paths"]) <= paths


def test_api_guide_lists_every_warning() -> None:
    (row,) = [row for rows in tables("docs/api.md") for row in rows if row[0] == "`warnings`"]
    assert set(re.findall(r"`(\w+_\w+)`", row[1])) == set(get_args(WarningCode.__value__))


def test_architecture_names_every_folder_and_module() -> None:
    """It names the folders at the top, and the modules that are deployed."""
    named = set(spans("docs/architecture.md"))
    top = {path.parts[0] + "/" for path in files() if len(path.parts) > 1}
    assert {folder for folder in top if not folder.startswith(".")} <= named
    for folder in ("sentiment", "functions", "cloud"):
        modules = {path.name for path in files() if path.parts[0] == folder and path.suffix == ".py"} - {"__init__.py"}
        assert modules <= named, folder


def labels_of(picture: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()).strip() for text in picture.iter(f"{SVG}text")]


def test_picture_is_accessible_and_names_existing_files() -> None:
    picture = ElementTree.parse(PICTURE).getroot()
    assert picture.tag == f"{SVG}svg" and {"viewBox", "role"} <= picture.attrib.keys()
    for name in ("title", "desc"):
        (element,) = picture.findall(f"{SVG}{name}")
        assert element.text and element.attrib["id"] in picture.attrib["aria-labelledby"].split()
    assert "architecture.svg" in links("docs/architecture.md")
    paths = [word for text in labels_of(picture) for word in text.split() if is_path(word)]
    assert len(paths) > 10 and [path for path in paths if not exists(path)] == []


def test_picture_loads_nothing() -> None:
    """GitHub shows an SVG without its scripts, and without fonts and images from elsewhere."""
    source = PICTURE.read_text()
    assert re.findall(r"https?://[^\"\s]+", source) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<foreignObject|@import|url\((?!#)", source)
    assert "prefers-color-scheme: dark" in source


def test_documented_azd_parameters_are_in_the_template() -> None:
    """They are what the manual says can be set before `azd up`."""
    known = set(re.findall(r"readEnvironmentVariable\('([A-Z_]+)'", (ROOT / "infra/main.bicepparam").read_text()))
    choices = next(rows for rows in tables("docs/operations.md") if rows[1][0] == "`AUTH_LEVEL`" and len(rows[1]) == 3)
    named = {name for row in choices for name in re.findall(r"`([A-Z_]+)`", row[0])}
    assert {"AUTH_LEVEL", "SMTP_HOST"} <= named <= known


def test_manual_lists_the_options_of_production() -> None:
    """They are what the snapshot with all options switches on."""
    (options,) = [rows for rows in tables("docs/operations.md") if rows[0][0] == "option" and rows[0][1] == "azd"]
    named = {name for row in options[1:] for name in re.findall(r"`([A-Z_]+)", row[1])}
    assert named == set(bicep.OPTIONS)
