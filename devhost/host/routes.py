"""Azure's route templates: which function handles a path.

This is the part of ASP.NET's grammar that the app uses: literals, {name}, {name?} and {*name}, each parameter also with
:maxlength(n). Everything else is refused. `RouteTable` has the order in which the Functions host tries routes.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from msgspec import Struct

from devhost.errors import HostError

_PARAMETER = re.compile(r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?::maxlength\((?P<max_length>\d+)\))?(?P<optional>\??)\}")


def split_path(path: str) -> list[str]:
    """Return the decoded segments of a raw URL path. The last one is empty if the path ends in a slash.

    `%2F` stays encoded, as on Azure, where it is not a separator.
    """
    path = unquote(re.sub("%(?=2f)", "%25", path.removeprefix("/"), flags=re.IGNORECASE))
    return path.split("/") if path else []


class Segment(Struct, frozen=True):
    """The part of a template between two slashes."""

    literal: str | None  # None for a parameter
    name: str = ""
    max_length: int | None = None  # characters
    optional: bool = False
    catch_all: bool = False

    @classmethod
    def parse(cls, text: str) -> "Segment":
        """Parse a segment of a route. Raises ValueError if `text` is neither a literal nor a supported parameter."""
        parameter = _PARAMETER.fullmatch(text)
        if parameter:
            return cls(
                literal=None,
                name=parameter["name"],
                max_length=int(parameter["max_length"]) if parameter["max_length"] else None,
                optional=bool(parameter["optional"]),
                catch_all=bool(parameter["stars"]),
            )
        if not text or set(text) & set("{}"):
            raise ValueError(f"{text!r} is neither a literal nor a parameter that devhost supports")
        return cls(literal=text)

    def match(self, text: str) -> dict[str, str | None] | None:
        """Return the route value of a non-empty text, or None if it does not match."""
        if self.literal is not None:
            return {} if text.upper() == self.literal.upper() else None
        return {self.name: text} if self.max_length is None or len(text) <= self.max_length else None

    def match_missing(self) -> dict[str, str | None] | None:
        """Return the route value if the path ends before this segment, or None if it must not."""
        if self.optional:
            return {}
        return {self.name: None} if self.catch_all and self.max_length is None else None

    def covers(self, other: "Segment") -> bool:
        """Return whether this segment matches every text that `other` matches."""
        if other.literal is not None:
            return self.match(other.literal) is not None
        if self.literal is not None or self.max_length is None:
            return self.literal is None
        return other.max_length is not None and other.max_length <= self.max_length


class RouteTemplate(Struct, frozen=True):
    """A route template, for instance `api/feedback/{prediction_id}`."""

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> "RouteTemplate":
        """Parse a route. Raises HostError if the template is invalid or not supported."""
        text = text.strip("/")
        try:
            segments = tuple(map(Segment.parse, text.split("/")))
        except ValueError as error:
            raise HostError(f"route {text!r}: {error}") from error
        if any(segment.optional or segment.catch_all for segment in segments[:-1]):
            raise HostError(f"route {text!r}: only the last parameter may be optional or a catch-all")
        names = [segment.name for segment in segments if segment.name]
        if len(set(names)) < len(names):
            raise HostError(f"route {text!r}: two parameters have the same name")
        return cls(text, segments)

    def match(self, path: Sequence[str]) -> dict[str, str | None] | None:
        """Return the route values of a path, or None if it does not match. An empty catch-all has the value None.

        The rules are those of ASP.NET's RoutePatternMatcher.TryMatch: an empty segment matches nothing, a trailing
        slash adds no segment, but a catch-all contains it.
        """
        texts = path[:-1] if path and not path[-1] else path
        if len(texts) > len(self.segments) and not self.segments[-1].catch_all:
            return None
        values: dict[str, str | None] = {}
        for index, segment in enumerate(self.segments):
            if index >= len(texts):
                value = segment.match_missing()
            elif not texts[index]:
                return None
            else:
                value = segment.match("/".join(path[index:]) if segment.catch_all else texts[index])
            if value is None:
                return None
            values |= value
        return values

    @property
    def catches_all(self) -> bool:
        """Whether the last segment is a catch-all parameter."""
        return self.segments[-1].catch_all

    def covers(self, other: "RouteTemplate") -> bool:
        """Return whether this template matches every path that `other` matches.

        A catch-all with a maximum length is compared with the shortest path that `other` matches.
        """
        for index, segment in enumerate(self.segments):
            if segment.catch_all:
                rest = "/".join(each.literal or "x" for each in other.segments[index:] if not each.optional)
                return (segment.match(rest) if rest else segment.match_missing()) is not None
            counterpart = other.segments[index] if index < len(other.segments) else None
            if (counterpart is None or counterpart.optional) and not segment.optional:
                return False
            if counterpart and (counterpart.catch_all != segment.catch_all or not segment.covers(counterpart)):
                return False
        return len(other.segments) <= len(self.segments)


class Route(Struct, frozen=True):
    """A template with its methods (an empty set: all) and the name of its function."""

    template: RouteTemplate
    methods: frozenset[str]
    function: str

    def accepts(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def shadows(self, other: "Route") -> bool:
        """Return whether `other` gets no request if this route is tried first.

        A catch-all shadows a route as soon as they share one method.
        """
        if not self.template.covers(other.template):
            return False
        if self.template.catches_all:
            return not self.methods or not other.methods or bool(self.methods & other.methods)
        return not self.methods or (bool(other.methods) and other.methods <= self.methods)


class RouteTable:
    """All routes of an app, in the order in which the host tries them: by function name, ignoring case.

    A more specific route is not preferred. The host sorts functions by name (FunctionMetadataManager), adds their
    routes in that order (WebScriptHostHttpRoutesManager) and takes the first that matches path and method.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.function.upper()))

    def find(self, method: str, path: Sequence[str]) -> tuple[Route, dict[str, str | None]] | None:
        """Return the first route that matches method and path, with its route values."""
        for route in self.routes:
            if route.accepts(method) and (values := route.template.match(path)) is not None:
                return route, values
        return None

    def check_reachable(self) -> None:
        """Raise HostError if a function gets no requests because another comes first. Azure does not report this."""
        for index, later in enumerate(self.routes):
            for first in self.routes[:index]:
                if first.shadows(later):
                    raise HostError(
                        f"function {later.function} would get no requests for {_describe(later)}: the host tries "
                        f"functions by name, {first.function} comes first and handles {_describe(first)}"
                    )


def _describe(route: Route) -> str:
    return f"{'|'.join(sorted(route.methods)) or 'any method'} /{route.template.text}"
