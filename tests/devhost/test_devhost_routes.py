"""Route templates: what matches, and what comes first."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from devhost.errors import HostError
from devhost.routes import Route, RouteTable, RouteTemplate, split_path

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def match(template: str, path: str) -> dict[str, str | None] | None:
    return RouteTemplate.parse(template).match(split_path(path))


@pytest.mark.parametrize(
    ("constraint", "fits", "fails"),
    [
        ("int", ["0", "-7", "2147483647"], ["x", "1.5", "2147483648", "1_0", "٣"]),
        ("long", ["2147483648", "-9223372036854775808"], ["9223372036854775808"]),
        ("double", ["1", "1.5", "-.5e3"], ["x", "1.5.5"]),
        ("guid", [GUID, GUID.upper(), GUID.replace("-", ""), f"{{{GUID}}}"], ["x", GUID[:-1], GUID + "0"]),
        ("alpha", ["abC"], ["a1", "é"]),
        ("bool", ["true", "False"], ["1", "truely"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(5)", ["5", "500"], ["4", "x"]),
        ("max(5)", ["5", "-500"], ["6", "x"]),
        ("range(2,4)", ["2", "4"], ["1", "5"]),
        ("required", ["a"], []),
        (r"regex(^\d{{2}}-(a|b)$)", ["12-a", "12-B"], ["1-a", "12-c"]),
        ("int:min(1)", ["1"], ["0", "x"]),
    ],
)
def test_constraints(constraint: str, fits: list[str], fails: list[str]) -> None:
    template = f"a/{{x:{constraint}}}"
    assert [match(template, f"/a/{text}") for text in fits] == [{"x": text} for text in fits]
    assert [match(template, f"/a/{text}") for text in fails] == [None for _ in fails]


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
        ("a/{x:int?}", "/a", {}),
        ("a/{x:int?}", "/a/b", None),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/a", None),
        ("{*rest}", "/", {"rest": None}),
        ("{*rest}", "//a", None),
        ("a/{*rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{*rest}", "/a/b/", {"rest": "b/"}),
        ("a/{*rest}", "/a/", {"rest": None}),
        ("a/{**rest}", "/a/b//c", {"rest": "b//c"}),
        ("a/{*rest:alpha}", "/a", None),
        ("a/{*rest:alpha}", "/a/b", {"rest": "b"}),
        ("{name}.{end}", "/a.b.c", {"name": "a.b", "end": "c"}),
        ("v{x:int}", "/V12", {"x": "12"}),
        ("{x}", "/%C3%BC%20%2f", {"x": "ü %2f"}),
        ("{x}", "/a%2Fb", {"x": "a%2Fb"}),
    ],
)
def test_templates(template: str, path: str, parameters: dict[str, str | None] | None) -> None:
    assert match(template, path) == parameters


@pytest.mark.parametrize(
    "template",
    ["{x", "{x:nosuch}", "{x:int(3)}", "{x:min(a)}", "{x:regex([)}", "{*r}/a", "{x?}/a", "a{x?}", "{x}-{x}", "{x=7}"],
)
def test_templates_that_cannot_be_read_are_named(template: str) -> None:
    with pytest.raises(HostError) as refused:
        RouteTemplate.parse(template)
    assert str(refused.value).startswith(f"route {template!r}: ") and "\n" not in str(refused.value)


# 400 tables of functions, and what the host's own router (Microsoft.Azure.WebJobs.Extensions.Http 3.2.0) answered to
# 10,000 requests. Some of them are here; all of them are with the data, where that is.
SOME = Path(__file__).with_name("host_routes.jsonl")
TABLES = Path(os.environ["BUZZGUARD_DATA"], SOME.name) if "BUZZGUARD_DATA" in os.environ else SOME


def route(template: str, *methods: str, function: str = "f") -> Route:
    return Route(RouteTemplate.parse(template), frozenset(methods), function)


def found(table: RouteTable, method: str, path: str) -> dict[str, Any]:
    answer = table.find(method, split_path(path))
    return {"function": answer[0].function, "values": answer[1]} if answer else {"function": None, "values": {}}


@pytest.mark.parametrize("told", map(json.loads, TABLES.read_text().splitlines()))
def test_the_hosts_own_router_answers_the_same(told: dict[str, Any]) -> None:
    if any("=" in function["route"] for function in told["functions"]):
        with pytest.raises(HostError, match="cannot read"):  # default values are refused
            [route(function["route"]) for function in told["functions"]]
        return
    table = RouteTable(
        [
            route(function["route"], *map(str.upper, function["methods"]), function=function["name"])
            for function in told["functions"]
        ]
    )
    assert [found(table, method, path) for method, path in told["requests"]] == told["answers"]


@pytest.mark.parametrize("names", ["ab", "aB", "Ab"])
def test_the_first_by_name_answers_however_specific_the_other_is(names: str) -> None:
    first, second = names
    table = RouteTable([route("a/list", function=second), route("a/{x}", function=first)])
    assert found(table, "GET", "/a/list") == {"function": first, "values": {"x": "list"}}


def test_a_method_that_the_first_does_not_take_comes_to_the_next() -> None:
    table = RouteTable([route("{*all}", "GET", function="a"), route("b", "POST", function="b")])
    assert [found(table, method, "/b")["function"] for method in ("GET", "POST", "HEAD")] == ["a", "b", None]


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        (route("{*all}"), route("a"), True),
        (route("{*all}"), route("a/{x:int}/{y?}"), True),
        (route("{*all}"), route("{none:maxlength(0)?}"), True),
        (route("{*all}", "GET"), route("a", "GET", "POST"), True),
        (route("a/{x}", "GET"), route("A/{y}", "GET"), True),
        (route("a"), route("a", "POST"), True),
        (route("a/{x}"), route("a/b"), True),
        (route("a/{x}"), route("a/{y:int}"), True),
        (route("a/{x?}"), route("a"), True),
        (route("a/{x?}"), route("a/{y}"), True),
        (route("a/{*x}"), route("a/{y}/c"), True),
        (route("{*all}", "GET"), route("a", "POST"), False),
        (route("a", "GET"), route("a", "POST"), False),
        (route("a"), route("a/{x?}"), False),
        (route("a/{x}"), route("a/{y?}"), False),
        (route("a/{x}"), route("a/{*y}"), False),
        (route("a/{x:int}"), route("a/{y}"), False),
        (route("a/{*x:int}"), route("a/b"), False),
        (route("a/{x}/c"), route("a/{y}"), False),
        (route("a/b"), route("{*all}"), False),
    ],
)
def test_a_function_that_would_never_be_asked_is_refused(first: Route, second: Route, shadowed: bool) -> None:
    table = RouteTable([replace(second, function="Zero"), replace(first, function="alpha")])
    if not shadowed:
        table.refuse_shadowed()
        return
    with pytest.raises(HostError, match=r"function Zero would never be asked .* alpha comes first") as refused:
        table.refuse_shadowed()
    assert "\n" not in str(refused.value)
