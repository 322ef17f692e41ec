"""A request with a trace of its own, and when it ran."""

import secrets
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from tests.support.app import App


class Sent(NamedTuple):
    trace: str
    response: httpx.Response
    start: datetime
    end: datetime


def send(app: App, method: str, path: str, body: object = None, flags: str = "01") -> Sent:
    """Send a request with a new `traceparent`. The flags say whether the caller keeps the trace."""
    trace, start = secrets.token_hex(16), datetime.now(UTC)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-{flags}"}
    response = app.http.request(method, path, json=body, headers=headers)
    return Sent(trace, response, start, datetime.now(UTC))
