"""Azure's route templates: which function answers a path.

The grammar is ASP.NET's ({x}, {x:int}, {x?}, {*rest}); the order is the Functions host's own, see `RouteTemplate.rank`.
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
    """The decoded segments of a raw URL path. `%2F` stays as it is, as on Azure: it is no separator."""
    path = path.removeprefix("/").removesuffix("/")
    return (
        [unquote(re.sub("%(?=2f)", "%25", segment, flags=re.IGNORECASE)) for segment in path.split("/")] if path else []
    )


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
        """Raises ValueError for what ASP.NET would not take either."""
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
    def rank(self) -> tuple[int, ...]:
        """Sorts the more specific first: literal text, most constraints, parameter, catch-all."""
        return (1, -sum(map(len, self.constraints.values())), self.catch_all) if self.constraints else (0,)

    def take(self, text: str) -> dict[str, str] | None:
        """The parameters in `text`, or None where it does not fit."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        taken = found.groupdict()
        fits = all(rule.allows(taken[name]) for name, rules in self.constraints.items() for rule in rules)
        return taken if fits else None


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

    @property
    def shape(self) -> tuple[str, ...]:
        """Equal for two routes that no path can tell apart."""
        return tuple(segment.shape for segment in self.segments)

    @property
    def rank(self) -> tuple[tuple[int, ...], ...]:
        """Sorts as the Functions host does: segment by segment, and of two routes that begin alike the longer first."""
        return (*(segment.rank for segment in self.segments), (2,))

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """The route parameters of the segments of a path, or None. Absent optional parameters are not in the answer."""
        parameters: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            text = "/".join(path[index:]) if segment.catch_all else path[index] if index < len(path) else ""
            if text == "" and (segment.catch_all or (segment.optional and index >= len(path))):
                return parameters
            taken = segment.take(text)
            if taken is None:
                return None
            parameters |= taken
            if segment.catch_all:
                return parameters
        return parameters if len(path) == len(self.segments) else None


class Route(Struct, frozen=True):
    """A template and the methods it takes (none named: all), with the name of the function behind it."""

    template: RouteTemplate
    methods: frozenset[str]
    function: str

    def accepts(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def conflicts(self, other: "Route") -> bool:
        """Whether some request could be for either, with nothing to decide between them."""
        methods = not self.methods or not other.methods or self.methods & other.methods
        return bool(methods) and self.template.shape == other.template.shape


class RouteTable:
    """All routes of an app. Raises HostError where two functions answer the same requests."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.template.rank))
        for index, route in enumerate(routes):
            for other in routes[:index]:
                if route.conflicts(other):
                    raise HostError(
                        f"functions {other.function} and {route.function} answer the same requests: "
                        f"{_describe(other)} and {_describe(route)}"
                    )

    def find(self, method: str, path: Sequence[str]) -> tuple[Route, dict[str, str]] | frozenset[str]:
        """The first route that takes both, with its parameters; else the methods that the path does take, if any."""
        allowed: frozenset[str] = frozenset()
        for route in self.routes:
            parameters = route.template.match(path)
            if parameters is None:
                continue
            if route.accepts(method):
                return route, parameters
            allowed |= route.methods
        return allowed


def _describe(route: Route) -> str:
    return f"{'|'.join(sorted(route.methods)) or 'any method'} /{route.template.text}"
