"""Azure's route templates: which function answers a path.

Of ASP.NET's grammar, what apps like this one use: literals, {name}, {name?} and {*name}, with :maxlength(n) or without.
Anything else is refused, never guessed. The order is the Functions host's own, see `RouteTable`.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from msgspec import Struct

from devhost.errors import HostError

_PARAMETER = re.compile(r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?::maxlength\((?P<max_length>\d+)\))?(?P<optional>\??)\}")


def split_path(path: str) -> list[str]:
    """The decoded segments of a raw URL path; the last is empty where it ends in a slash. `%2F` stays as it is, as on
    Azure: it is no separator."""
    path = unquote(re.sub("%(?=2f)", "%25", path.removeprefix("/"), flags=re.IGNORECASE))
    return path.split("/") if path else []


class Segment(Struct, frozen=True):
    """What stands between two slashes of a template."""

    literal: str | None  # None: a parameter
    name: str = ""
    max_length: int | None = None  # characters
    optional: bool = False
    catch_all: bool = False

    @classmethod
    def parse(cls, text: str) -> "Segment":
        """Raises ValueError for what is neither a literal nor a parameter."""
        found = _PARAMETER.fullmatch(text)
        if found:
            max_length = int(found["max_length"]) if found["max_length"] else None
            return cls(None, found["name"], max_length, bool(found["optional"]), bool(found["stars"]))
        if not text or set(text) & set("{}"):
            raise ValueError(f"{text!r} is neither a literal nor a parameter that devhost knows")
        return cls(text)

    def take(self, text: str) -> dict[str, str | None] | None:
        """The route value in a text that is not empty, or None where that does not fit."""
        if self.literal is not None:
            return {} if text.upper() == self.literal.upper() else None
        return {self.name: text} if self.max_length is None or len(text) <= self.max_length else None

    def take_nothing(self) -> dict[str, str | None] | None:
        """The route value where the path has ended before, or None where that does not fit."""
        if self.optional:
            return {}
        return {self.name: None} if self.catch_all and self.max_length is None else None

    def covers(self, other: "Segment") -> bool:
        """Whether it takes every text that `other` takes."""
        if other.literal is not None:
            return self.take(other.literal) is not None
        if self.literal is not None or self.max_length is None:
            return self.literal is None
        return other.max_length is not None and other.max_length <= self.max_length


class RouteTemplate(Struct, frozen=True):
    """A whole route, for instance `api/feedback/{prediction_id}`."""

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> "RouteTemplate":
        """Raises HostError, naming the route."""
        text = text.strip("/")
        try:
            segments = tuple(map(Segment.parse, text.split("/")))
        except ValueError as error:
            raise HostError(f"route {text!r}: {error}") from error
        if any(segment.optional or segment.catch_all for segment in segments[:-1]):
            raise HostError(f"route {text!r}: only the last parameter may be optional or catch all")
        names = [segment.name for segment in segments if segment.name]
        if len(set(names)) < len(names):
            raise HostError(f"route {text!r} names a parameter twice")
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
                value = segment.take_nothing()
            elif not texts[index]:
                return None
            else:
                value = segment.take("/".join(path[index:]) if segment.catch_all else texts[index])
            if value is None:
                return None
            values |= value
        return values

    @property
    def catches_all(self) -> bool:
        """Whether it ends in a catch-all parameter."""
        return self.segments[-1].catch_all

    def covers(self, other: "RouteTemplate") -> bool:
        """Whether it matches every path that `other` matches; where a catch-all has a limit, the shortest of them."""
        for index, segment in enumerate(self.segments):
            if segment.catch_all:
                rest = "/".join(theirs.literal or "x" for theirs in other.segments[index:] if not theirs.optional)
                return (segment.take(rest) if rest else segment.take_nothing()) is not None
            theirs = other.segments[index] if index < len(other.segments) else None
            if (theirs is None or theirs.optional) and not segment.optional:
                return False
            if theirs and (theirs.catch_all != segment.catch_all or not segment.covers(theirs)):
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
        """Whether, asked first, it leaves nothing to `other`; of a catch-all, whether it takes any of its methods."""
        if not self.template.covers(other.template):
            return False
        if self.template.catches_all:
            return not self.methods or not other.methods or bool(self.methods & other.methods)
        return not self.methods or (bool(other.methods) and other.methods <= self.methods)


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
        """Raises HostError where the requests of a function go to one before it. On Azure nobody says so."""
        for index, later in enumerate(self.routes):
            for first in self.routes[:index]:
                if first.shadows(later):
                    raise HostError(
                        f"function {later.function} would not be asked for {_describe(later)}: the host goes by the "
                        f"names of functions, {first.function} comes first and takes {_describe(first)}"
                    )


def _describe(route: Route) -> str:
    return f"{'|'.join(sorted(route.methods)) or 'any method'} /{route.template.text}"
