"""Route templates: which paths they match, and which route handles a request."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from devhost.errors import HostError
from devhost.host.routes import Route, RouteTable, RouteTemplate, split_path


def match(template: str, path: str) -> dict[str, str | None] | None:
    return RouteTemplate.parse(template).match(split_path(path))


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("a/b", "/A/B/", {}),
        ("a/b", "/a", None),
        ("a/b", "/a/b/c", None),
        ("a/b", "/a//b", None),
        ("a/b", "//a/b", None),
        ("a/{x}", "/a//", None),
        ("{x}", "/", None),
        ("{x?}", "/", {}),
        ("a/{x?}", "/a", {}),
        ("a/{x?}", "/a/b", {"x": "b"}),
        ("a/{x:maxlength(2)}", "/a/bc", {"x": "bc"}),
        ("a/{x:maxlength(2)}", "/a/bcd", None),
        ("a/{x:maxlength(2)?}", "/a", {}),
        ("a/{x:maxlength(2)?}", "/a/bcd", None),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/a", None),
        ("{*rest}", "/", {"rest": None}),
        ("{*rest}", "//a", None),
        ("a/{*rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{*rest}", "/a/b/", {"rest": "b/"}),
        ("a/{*rest}", "/a/", {"rest": None}),
        ("a/{**rest}", "/a/b//c", {"rest": "b//c"}),
        ("a/{*rest:maxlength(3)}", "/a", None),
        ("a/{*rest:maxlength(3)}", "/a/b/c", {"rest": "b/c"}),
        ("a/{*rest:maxlength(3)}", "/a/b/c/", None),
        ("{x}", "/%C3%BC%20%2f", {"x": "ü %2f"}),
        ("{x}", "/a%2Fb", {"x": "a%2Fb"}),
    ],
)
def test_template_matches(template: str, path: str, parameters: dict[str, str | None] | None) -> None:
    assert match(template, path) == parameters


@pytest.mark.parametrize(
    "template",
    ["{x", "{x:int}", "{x:maxlength(a)}", "{x=7}", "a{x}", "{x}.{y}", "a//b", "", "{*r}/a", "{x?}/a", "{x}/{x}"],
)
def test_rejects_invalid_template(template: str) -> None:
    with pytest.raises(HostError) as caught:
        RouteTemplate.parse(template)
    assert str(caught.value).startswith(f"route {template!r}") and "\n" not in str(caught.value)


# 400 tables of functions with the results of Azure's router (Microsoft.Azure.WebJobs.Extensions.Http 3.2.0) for 10,000
# requests. Some are in the repository, all are in BUZZGUARD_DATA.
SAMPLE = Path(__file__).with_name("host_routes.jsonl")
TABLES = Path(os.environ["BUZZGUARD_DATA"], SAMPLE.name) if "BUZZGUARD_DATA" in os.environ else SAMPLE
UNSUPPORTED = re.compile(
    r"\{\**\w+(=|:(?!maxlength))|[^/]\{|\}[^/]"
)  # default values, other constraints, mixed segments


def route(template: str, *methods: str, function: str = "f") -> Route:
    return Route(RouteTemplate.parse(template), frozenset(methods), function)


def find(table: RouteTable, method: str, path: str) -> dict[str, Any]:
    found = table.find(method, split_path(path))
    return {"function": found[0].function, "values": found[1]} if found else {"function": None, "values": {}}


@pytest.mark.parametrize("case", map(json.loads, TABLES.read_text().splitlines()))
def test_finds_the_route_that_azure_finds(case: dict[str, Any]) -> None:
    templates = [function["route"] for function in case["functions"]]
    if any(UNSUPPORTED.search(template) for template in templates):
        with pytest.raises(HostError, match="neither a literal nor a parameter that devhost supports"):
            [route(template) for template in templates]
        return
    table = RouteTable(
        [
            route(function["route"], *map(str.upper, function["methods"]), function=function["name"])
            for function in case["functions"]
        ]
    )
    results = zip(case["requests"], case["answers"], strict=True)
    assert [request for request, result in results if find(table, *request) != result] == []


@pytest.mark.parametrize("names", ["ab", "aB", "Ab"])
def test_first_function_by_name_wins_over_a_more_specific_route(names: str) -> None:
    first, second = names
    table = RouteTable([route("a/list", function=second), route("a/{x}", function=first)])
    assert find(table, "GET", "/a/list") == {"function": first, "values": {"x": "list"}}


def test_next_function_handles_other_methods() -> None:
    table = RouteTable([route("{*all}", "GET", function="a"), route("b", "POST", function="b")])
    assert [find(table, method, "/b")["function"] for method in ("GET", "POST", "HEAD")] == ["a", "b", None]


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        (route("{*all}"), route("a"), True),
        (route("{*all}"), route("a/{x:maxlength(2)}/{y?}"), True),
        (route("{*all}"), route("{none:maxlength(0)?}"), True),
        (route("{*all}", "GET"), route("a", "GET", "POST"), True),
        (route("{*all:maxlength(2000)}", "GET"), route("a/{x}", "GET", "HEAD"), True),
        (route("{*all:maxlength(2000)}"), route("a/{*x}"), True),
        (route("{*all:maxlength(2)}"), route("a/b"), False),
        (route("{*all:maxlength(2)}"), route("{none:maxlength(0)?}"), False),
        (route("a/{x}", "GET"), route("A/{y}", "GET"), True),
        (route("a/{x}", "GET"), route("a/{y}", "GET", "POST"), False),
        (route("a/{x}", "GET"), route("a/{y}"), False),
        (route("{x:maxlength(5)}"), route("ab"), True),
        (route("{x:maxlength(5)}"), route("{y:maxlength(2)}"), True),
        (route("{x:maxlength(5)}"), route("abcdef"), False),
        (route("{x:maxlength(5)}"), route("{y:maxlength(6)}"), False),
        (route("a"), route("a", "POST"), True),
        (route("a/{x}"), route("a/b"), True),
        (route("a/{x}"), route("a/{y:maxlength(2)}"), True),
        (route("a/{x?}"), route("a"), True),
        (route("a/{x?}"), route("a/{y}"), True),
        (route("a/{*x}"), route("a/{y}/c"), True),
        (route("{*all}", "GET"), route("a", "POST"), False),
        (route("a", "GET"), route("a", "POST"), False),
        (route("a"), route("a/{x?}"), False),
        (route("a/{x}"), route("a/{y?}"), False),
        (route("a/{x}"), route("a/{*y}"), False),
        (route("a/{x:maxlength(2)}"), route("a/{y}"), False),
        (route("a/{x}/c"), route("a/{y}"), False),
        (route("a/b"), route("{*all}"), False),
    ],
)
def test_rejects_function_that_gets_no_requests(first: Route, second: Route, shadowed: bool) -> None:
    table = RouteTable([replace(second, function="Zero"), replace(first, function="alpha")])
    if not shadowed:
        table.check_reachable()
        return
    with pytest.raises(HostError, match=r"function Zero would get no requests .* alpha comes first") as caught:
        table.check_reachable()
    assert "\n" not in str(caught.value)
