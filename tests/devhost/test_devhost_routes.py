"""Route templates: what matches, and what comes first."""

import pytest

from devhost.errors import HostError
from devhost.routes import Route, RouteTable, RouteTemplate, split_path

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def match(template: str, path: str) -> dict[str, str] | None:
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
        ("{x}", "/", None),
        ("{x?}", "/", {}),
        ("a/{x?}", "/a", {}),
        ("a/{x?}", "/a/b", {"x": "b"}),
        ("a/{x:int?}", "/a", {}),
        ("a/{x:int?}", "/a/b", None),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/a", None),
        ("{*rest}", "/", {}),
        ("a/{*rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{**rest}", "/a//c", {"rest": "/c"}),
        ("{name}.{end}", "/a.b.c", {"name": "a.b", "end": "c"}),
        ("v{x:int}", "/V12", {"x": "12"}),
        ("{x}", "/%C3%BC%20%2f", {"x": "ü %2f"}),
        ("{x}", "/a%2Fb", {"x": "a%2Fb"}),
    ],
)
def test_templates(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert match(template, path) == parameters


@pytest.mark.parametrize(
    "template", ["{x", "{x:nosuch}", "{x:int(3)}", "{x:min(a)}", "{x:regex([)}", "{*r}/a", "{x?}/a", "a{x?}", "{x}-{x}"]
)
def test_templates_that_cannot_be_read_are_named(template: str) -> None:
    with pytest.raises(HostError) as refused:
        RouteTemplate.parse(template)
    assert str(refused.value).startswith(f"route {template!r}: ") and "\n" not in str(refused.value)


def route(template: str, *methods: str) -> Route:
    return Route(RouteTemplate.parse(template), frozenset(methods), f"{template} {methods}")


@pytest.mark.parametrize(
    ("path", "winner"),
    [
        ("/a/list", "a/list"),
        ("/a/12", "a/{x:int}"),
        ("/a/12345", "a/{x:int:min(100)}"),
        ("/a/word", "a/{x}"),
        ("/a/b/c", "a/{*rest}"),
        ("/b", "{*all}"),
        ("/", "{*all}"),
    ],
)
def test_the_more_specific_comes_first(path: str, winner: str) -> None:
    templates = ["{*all}", "a/{*rest}", "a/{x}", "a/{x:int}", "a/{x:int:min(100)}", "a/list"]
    for order in (templates, templates[::-1]):
        found = RouteTable([route(template) for template in order]).find("GET", split_path(path))
        assert isinstance(found, tuple) and found[0].template.text == winner


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (route("a/{x}", "GET"), route("A/{y}", "GET"), True),
        (route("a/{x}", "GET", "POST"), route("a/{y}", "POST"), True),
        (route("a"), route("a", "POST"), True),
        (route("a/{*x}"), route("a/{**y}"), True),
        (route("a/{x?}"), route("a/{y}"), True),
        (route("a", "GET"), route("a", "POST"), False),
        (route("a/{x:int}"), route("a/{x}"), False),
        (route("a/{*x}"), route("a/{x}"), False),
    ],
)
def test_two_routes_for_the_same_requests_are_refused(first: Route, second: Route, conflict: bool) -> None:
    if not conflict:
        assert len(RouteTable([first, second]).routes) == 2
        return
    with pytest.raises(HostError) as refused:
        RouteTable([first, second])
    assert first.function in str(refused.value) and second.function in str(refused.value)


def test_methods_that_a_path_takes_are_told() -> None:
    table = RouteTable([route("a/{x}", "GET"), route("a/b", "PUT")])
    assert table.find("POST", ["a", "b"]) == {"GET", "PUT"}
    assert table.find("POST", ["b"]) == frozenset()
