"""Which requests come from this machine: the names in Host, and no other site's page.

devhost listens on 127.0.0.1 only, but every page in a browser on this machine reaches it. A page can give its own name
the address 127.0.0.1 (DNS rebinding): then the browser lets it read the answers, and only Host still shows its name. A
page of another site cannot read the answers, but it can send requests.
"""

import re
from collections.abc import Collection
from ipaddress import AddressValueError, IPv4Address

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from devhost.ports import MAX_PORT

from .problems import problem

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")


class HostCheck:
    """Pass requests on whose Host names this machine, with any port: a forwarded port can have another number.

    A Host that is missing, repeated or malformed gets 400, as from Kestrel, Azure's server. Every other name gets 421.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] = ()) -> None:
        """`allowed_hosts` are more names, in lower case: those of a proxy that passes its own on."""
        self._app = app
        self._allowed_hosts = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = self._refusal(scope) if scope["type"] == "http" else None
        if status is None:
            await self._app(scope, receive, send)
        else:
            await problem(status, {"connection": "close"})(scope, receive, send)

    def _refusal(self, scope: Scope) -> int | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        name = _host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            return 400
        return None if is_loopback(name) or name in self._allowed_hosts else 421


def is_cross_site(request: Request) -> bool:
    """Return whether a page of another site sent the request. Following a link to a page here does not count.

    Browsers say so in Sec-Fetch-Site, old ones only in Origin, and only for some requests. Other programs send neither.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin")
        return origin is not None and origin.partition("://")[2].lower() != request.headers["host"].lower()
    if site in ("same-origin", "none"):
        return False
    mode, destination = (request.headers.get(f"sec-fetch-{name}") for name in ("mode", "dest"))
    return not (request.method == "GET" and mode == "navigate" and destination == "document")


def parse_hosts(setting: str) -> tuple[str, ...]:
    """Return the names in a comma-separated setting, in lower case. Raises ValueError with the first invalid name."""
    names = tuple(name.strip().lower() for name in setting.split(",") if name.strip())
    for name in names:
        if _host_name(name) != name:
            raise ValueError(name)
    return names


def is_loopback(name: str) -> bool:
    """Return whether a host name, in lower case, always means this machine (RFC 6761 for .localhost)."""
    try:
        return IPv4Address(name).is_loopback
    except AddressValueError:
        return name in ("localhost", "[::1]") or name.endswith(".localhost")


def _host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without the port, or None if it is malformed."""
    match = _HOST.fullmatch(host)
    return match["name"].lower() if match and int(match["port"] or 0) <= MAX_PORT else None
