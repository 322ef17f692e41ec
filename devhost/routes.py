"""Azure's route templates: which function answers a path.

The grammar is ASP.NET's ({x}, {x:int}, {x?}, {*rest}); the order is the Functions host's own, see `RouteTable`.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from msgspec import Struct

from devhost.errors import HostError

_PARAMETER = re.compile(
    r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?P<constraints>(?::\w+(?:\((?:[^()]|\([^()]*\))*\))?)*)(?P<optional>\??)\}"
)
_CONSTRAINT = re.compile(r":(\w+)(?:\(((?:[^()]|\([^()]*\))*)\))?")
_GUID = re.compile(r"[0-9a-f]{32}|[({]?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[)}]?", re.IGNORECASE)


def split_path(path: str) -> list[str]:
    """The decoded segments of a raw URL path; the last is empty where it ends in a slash. `%2F` stays as it is, as on
    Azure: it is no separator."""
    path = unquote(re.sub("%(?=2f)", "%25", path.removeprefix("/"), flags=re.IGNORECASE))
    return path.split("/") if path else []


class Constraint(Struct, frozen=True):
    """`int`, `length(2,5)` and so on: what the text of a parameter must be."""

    name: str
    argument: str | None

    def allows(self, text: str) -> bool:
        """Raises ValueError for a constraint that does not exist or has the wrong arguments."""
        if self.name == "regex" and self.argument is not None:
            pattern = self.argument.replace("{{", "{").replace("}}", "}")
            try:
                return re.search(pattern, text, re.IGNORECASE) is not None
            except re.error as error:
                raise ValueError(str(error)) from error
        match self.name, [int(number) for number in self.argument.split(",")] if self.argument is not None else []:
            case "int", []:
                return _within(text, -(2**31), 2**31 - 1)
            case "long", []:
                return _within(text, -(2**63), 2**63 - 1)
            case "decimal" | "double" | "float", []:
                return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE) is not None
            case "bool", []:
                return text.lower() in ("true", "false")
            case "guid", []:
                return _GUID.fullmatch(text) is not None
            case "alpha", []:
                return re.fullmatch("[a-zA-Z]*", text) is not None
            case "required", []:
                return text != ""
            case "length", [exact]:
                return len(text) == exact
            case "length", [low, high]:
                return low <= len(text) <= high
            case "minlength", [low]:
                return len(text) >= low
            case "maxlength", [high]:
                return len(text) <= high
            case "min", [low]:
                return _within(text, low, 2**63 - 1)
            case "max", [high]:
                return _within(text, -(2**63), high)
            case "range", [low, high]:
                return _within(text, low, high)
        raise ValueError(f"no such constraint: {self.name}")


def _within(text: str, low: int, high: int) -> bool:
    return re.fullmatch(r"-?[0-9]+", text) is not None and low <= int(text) <= high


class Segment(Struct, frozen=True):
    """What stands between two slashes of a template: literal text, parameters, or both."""

    pattern: re.Pattern[str]
    constraints: dict[str, tuple[Constraint, ...]]  # by parameter
    optional: bool
    catch_all: bool
    shape: str  # the same for two segments that take the same texts under different parameter names

    @classmethod
    def parse(cls, text: str) -> "Segment":
        """Raises ValueError for what ASP.NET would not take either, and for default values ({x=7})."""
        parameters = list(_PARAMETER.finditer(text))
        literals = _PARAMETER.sub("\0", text).split("\0")
        if any(brace in literal for literal in literals for brace in "{}"):
            raise ValueError(f"cannot read {text!r}")
        whole = len(parameters) == 1 and literals == ["", ""]
        if any(parameter["stars"] or parameter["optional"] for parameter in parameters) and not whole:
            raise ValueError(f"an optional or catch-all parameter must fill its segment, unlike in {text!r}")
        constraints = {parameter["name"]: _constraints(parameter["constraints"]) for parameter in parameters}
        if len(constraints) < len(parameters):
            raise ValueError(f"{text!r} names a parameter twice")
        taken = [f"(?P<{name}>.+)" for name in constraints]
        pattern = "".join(re.escape(literal) + group for literal, group in zip(literals, [*taken, ""], strict=True))
        return cls(
            pattern=re.compile(pattern, re.IGNORECASE | re.DOTALL),
            constraints=constraints,
            optional=whole and bool(parameters[0]["optional"]),
            catch_all=whole and bool(parameters[0]["stars"]),
            shape=_PARAMETER.sub(lambda found: f"{{{found['stars'][:1]}{found['constraints']}}}", text).lower(),
        )

    @property
    def constrained(self) -> bool:
        return any(self.constraints.values())

    def take(self, text: str) -> dict[str, str | None] | None:
        """The parameters in `text`, or None where it does not fit."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        taken = found.groupdict()
        fits = all(rule.allows(taken[name]) for name, rules in self.constraints.items() for rule in rules)
        return taken if fits else None

    def take_nothing(self) -> dict[str, str | None] | None:
        """The parameters where the path has ended before, or None where that does not fit."""
        if self.optional:
            return {}
        return dict.fromkeys(self.constraints) if self.catch_all and not self.constrained else None

    def covers(self, other: "Segment") -> bool:
        """Whether it takes every text that `other` takes. (Not found out where it takes more by a constraint.)"""
        return self.shape == other.shape or self.shape == "{}"


def _constraints(text: str) -> tuple[Constraint, ...]:
    rules = tuple(Constraint(found[1].lower(), found[2]) for found in _CONSTRAINT.finditer(text))
    for rule in rules:
        rule.allows("")  # so that a wrong constraint is refused at start, not at the first request
    return rules


class RouteTemplate(Struct, frozen=True):
    """A whole route, for instance `api/feedback/{prediction_id}`."""

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> "RouteTemplate":
        """Raises HostError, naming the route."""
        text = text.strip("/")
        try:
            segments = tuple(Segment.parse(part) for part in text.split("/"))
        except ValueError as error:
            raise HostError(f"route {text!r}: {error}") from error
        if any(segment.optional or segment.catch_all for segment in segments[:-1]):
            raise HostError(f"route {text!r}: only the last parameter may be optional or catch all")
        return cls(text, segments)

    def match(self, path: Sequence[str]) -> dict[str, str | None] | None:
        """The route values of a path, or None where it does not match. A catch-all that found nothing is None.

        After ASP.NET's RoutePatternMatcher.TryMatch: an empty segment matches nothing, but a slash at the end opens
        none, though a catch-all has it in its value.
        """
        texts = path[:-1] if path and not path[-1] else path
        if len(texts) > len(self.segments) and not self.segments[-1].catch_all:
            return None
        values: dict[str, str | None] = {}
        for index, segment in enumerate(self.segments):
            if index >= len(texts):
                taken = segment.take_nothing()
            elif not texts[index]:
                return None
            else:
                taken = segment.take("/".join(path[index:]) if segment.catch_all else texts[index])
            if taken is None:
                return None
            values |= taken
        return values

    def covers(self, other: "RouteTemplate") -> bool:
        """Whether it matches every path that `other` matches."""
        for index, segment in enumerate(self.segments):
            theirs = other.segments[index] if index < len(other.segments) else None
            if segment.catch_all and not segment.constrained:
                return True
            if theirs is None or theirs.optional:
                if not segment.optional:
                    return False
            elif theirs.catch_all and not segment.catch_all:
                return False
            if theirs and not segment.covers(theirs):
                return False
        return len(other.segments) <= len(self.segments)


class Route(Struct, frozen=True):
    """A template and the methods it takes (none named: all), with the name of the function behind it."""

    template: RouteTemplate
    methods: frozenset[str]
    function: str

    def accepts(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def shadows(self, other: "Route") -> bool:
        """Whether, asked first, it leaves nothing of one of the methods of `other`."""
        methods = not self.methods or not other.methods or self.methods & other.methods
        return bool(methods) and self.template.covers(other.template)


class RouteTable:
    """All routes of an app, in the order in which the host asks them: that of the functions' names, whatever the case.

    How specific a route is plays no part. The host sorts functions by name (FunctionMetadataManager), adds their routes
    in that order (WebScriptHostHttpRoutesManager), and the first that takes path and method answers.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.function.upper()))

    def find(self, method: str, path: Sequence[str]) -> tuple[Route, dict[str, str | None]] | None:
        """The first route that takes both, with its values."""
        for route in self.routes:
            if route.accepts(method) and (values := route.template.match(path)) is not None:
                return route, values
        return None

    def refuse_shadowed(self) -> None:
        """Raises HostError where a function would never be asked. On Azure nobody says so."""
        for index, later in enumerate(self.routes):
            for first in self.routes[:index]:
                if first.shadows(later):
                    raise HostError(
                        f"function {later.function} would never be asked for {_describe(later)}: the host goes by the "
                        f"names of functions, {first.function} comes first and takes {_describe(first)}"
                    )


def _describe(route: Route) -> str:
    return f"{'|'.join(sorted(route.methods)) or 'any method'} /{route.template.text}"
