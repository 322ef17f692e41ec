"""HTTP requests to the app on this machine."""

from functools import cache
from http.client import HTTPResponse
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener


def urlopen(request: str | Request, timeout: float) -> HTTPResponse:
    """Like `urllib.request.urlopen`, but ignore proxies. `timeout` is in seconds."""
    response: HTTPResponse = _opener().open(request, timeout=timeout)
    return response


@cache
def _opener() -> OpenerDirector:
    # 127.0.0.1 must be this machine. A proxy from the environment would resolve it to itself.
    return build_opener(ProxyHandler({}))
