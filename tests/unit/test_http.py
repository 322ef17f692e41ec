"""What every endpoint owes its caller, whatever its handler does."""

import asyncio
import json
import logging

import azure.functions as func
import pytest

from functions import http
from sentiment import errors


def call(handler: http.Handler, **headers: str) -> func.HttpResponse:
    return asyncio.run(http.trigger(handler)(func.HttpRequest("GET", "/", headers=headers, body=b"")))


async def fails(*_: object) -> http.Answer:
    raise RuntimeError("the secret")


async def works(*_: object) -> http.Answer:
    return http.Answer(200, {"a": 1})


class NewKind(errors.BuzzguardError):
    pass


@pytest.mark.parametrize("error", [RuntimeError("the secret"), NewKind("the secret"), errors.ModelError("the secret")])
def test_what_is_ours_to_mend_is_logged_and_not_shown(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: object) -> http.Answer:
        raise error

    response = call(raises)
    assert response.status_code in (500, 503)
    assert "secret" not in response.get_body().decode()
    assert json.loads(response.get_body())["status"] == response.status_code
    assert "the secret" in caplog.text
    assert response.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.FeedbackConflict("why"), 409),
        (errors.ExpiredReceipt("why"), 410),
        (errors.ForeignReceipt("why"), 422),
        (http.Problem(418, "Teapot", "why"), 418),
    ],
)
def test_what_the_caller_can_mend_is_told(error: Exception, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: object) -> http.Answer:
        raise error

    response = call(raises)
    assert (response.status_code, json.loads(response.get_body())["detail"]) == (status, "why")
    assert not caplog.records


def test_a_store_that_is_down_says_when_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: object) -> http.Answer:
        raise errors.StoreUnavailable("down", retry_after=7)

    with caplog.at_level(logging.ERROR):
        response = call(raises)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert "down" in caplog.text


@pytest.mark.parametrize("handler", [works, fails])
def test_no_answer_is_kept_by_a_cache(handler: http.Handler) -> None:
    assert call(handler).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("given", "kept"), [("a.B:c-1_", True), ("x" * 128, True), ("x" * 129, False), ("a b", False)])
def test_a_request_id_is_kept_if_it_is_one(given: str, kept: bool) -> None:
    assert (call(works, **{"x-request-id": given}).headers["x-request-id"] == given) is kept
