"""HTTP to the app on this machine."""

from functools import cache
from http.client import HTTPResponse
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener


def urlopen(request: str | Request, timeout: float) -> HTTPResponse:
    """As urllib's, whatever proxy is set; `timeout` in seconds."""
    answer: HTTPResponse = _direct().open(request, timeout=timeout)
    return answer


@cache
def _direct() -> OpenerDirector:
    # A proxy that the environment names is for the world outside: 127.0.0.1 is another machine from there.
    return build_opener(ProxyHandler({}))
