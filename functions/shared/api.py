"""The operations of the API, and how they become functions of Azure."""

import re
from typing import Any

import azure.functions as func
from msgspec import Struct
from msgspec.structs import replace

from .http import Handler, Secret, as_azure_function
from .problems import ProblemType

# Security schemes of the OpenAPI document.
FUNCTION_KEY = "functionKey"  # the host checks it
INCIDENT_KEY = "incidentKey"  # the app checks it

_ROOT = "{ignored:maxlength(0)?}"  # the route of "/": Azure serves a function with an empty route at its name


class Operation(Struct, frozen=True, kw_only=True):
    """One method on one path, and what the OpenAPI document says about it."""

    name: str  # of the function in Azure
    method: str
    path: str  # /api/feedback/{prediction_id}
    summary: str = ""
    security: str | None = FUNCTION_KEY  # a security scheme; None: anyone may call
    body: Any = None  # the type that decodes the request; None: it takes no body
    responses: dict[int, Any] = {}  # status -> type of the payload, None for an empty body
    problems: tuple[ProblemType, ...] = ()  # besides those that every body may cause
    documented: bool = True  # whether it is part of the API: pages are not

    @property
    def methods(self) -> list[str]:
        return ["GET", "HEAD"] if self.method == "GET" else [self.method]

    def matches(self, path: str) -> bool:
        """Return whether the host routes `path` here. Case and a trailing slash make no difference."""
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", self.path) + "/?", path, re.IGNORECASE) is not None


class Api:
    """Registers operations on a function app, and knows them all."""

    def __init__(self, app: func.FunctionApp, auth_level: str) -> None:
        """`auth_level`: what the host asks of callers, "function" for a function key, or "anonymous"."""
        self.app = app
        self.operations: list[Operation] = []
        self._auth_level = auth_level

    def add(self, operation: Operation, handler: Handler, secret: Secret | None = None) -> None:
        """Register `handler` as the function of an operation. `secret` is a key that the app itself requires."""
        auth_level = self._auth_level if operation.security == FUNCTION_KEY else "anonymous"
        if operation.security == FUNCTION_KEY and auth_level == "anonymous":
            operation = replace(operation, security=None)
        self.operations.append(operation)
        route = self.app.route(
            operation.path.lstrip("/") or _ROOT, methods=operation.methods, auth_level=func.AuthLevel(auth_level)
        )
        route(as_azure_function(operation.name, handler, operation.body, secret))


def web_route(name: str, path: str) -> Operation:
    """Return the operation that serves a page or one of its files: open to anyone, and not part of the API."""
    return Operation(name=name, method="GET", path=path, security=None, documented=False)
