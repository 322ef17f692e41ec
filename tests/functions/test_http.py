"""What every endpoint owes its caller, whatever its handler does."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import msgspec
import pytest

from feedback import errors as feedback_errors
from functions.shared import http
from sentiment import errors

TRACE = "0af7651916cd43dd8448eb211c80319c"


def call(
    handler: http.Handler, traceparent: str = f"00-{TRACE}-b7ad6b7169203331-01", **headers: str
) -> func.HttpResponse:
    context: Any = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=traceparent))
    return asyncio.run(http.trigger(handler)(func.HttpRequest("GET", "/", headers=headers, body=b""), context))


async def fails(*_: object) -> http.Answer:
    raise RuntimeError("the secret")


async def works(*_: object) -> http.Answer:
    return http.Answer(200, {"a": 1})


class NewKind(errors.BuzzguardError):
    pass


@pytest.mark.parametrize(
    ("error", "logged"), [(errors.ModelError("the secret"), "the secret"), (NewKind("the secret"), "NewKind")]
)
def test_what_is_ours_to_mend_is_logged_and_not_shown(
    error: Exception, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(*_: object) -> http.Answer:
        raise error

    response = call(raises)
    assert response.status_code in (500, 503)
    assert "secret" not in response.get_body().decode()
    assert json.loads(response.get_body())["status"] == response.status_code
    assert logged in caplog.text
    assert response.headers["x-request-id"] in caplog.text


class Talkative(KeyError):
    def __str__(self) -> str:
        return f"no vector for {TWEET!r}"


TWEET = "Zebulon was late again"


def quoting() -> None:
    """What libraries do with a text that they choke on."""
    try:
        msgspec.json.decode(json.dumps({TWEET: 1}), type=http.FieldError)
    except msgspec.ValidationError as error:
        error.add_note(TWEET)
        raise Talkative(TWEET) from error


def failing() -> None:
    try:
        quoting()
    except Talkative:
        raise ExceptionGroup(TWEET, [UnicodeEncodeError("utf-8", TWEET, 0, 7, TWEET)])  # noqa: B904


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_is_logged_with_its_place_and_without_its_words(
    wrapped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(*_: object) -> http.Answer:
        try:
            failing()
        except ExceptionGroup as error:
            if wrapped:
                raise feedback_errors.StoreUnavailable("down", retry_after=7) from error
            raise
        raise AssertionError

    assert call(raises).status_code == (503 if wrapped else 500)
    assert "Zebulon" not in caplog.text
    for known in ("ExceptionGroup", "Talkative", "msgspec.ValidationError", "in failing", "in quoting"):
        assert known in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (feedback_errors.FeedbackConflict("why"), 409),
        (feedback_errors.ExpiredReceipt("why"), 410),
        (feedback_errors.InvalidReceipt("why"), 422),
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
        raise feedback_errors.StoreUnavailable("down", retry_after=7)

    with caplog.at_level(logging.ERROR):
        response = call(raises)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert "down" in caplog.text


@pytest.mark.parametrize("handler", [works, fails])
def test_no_answer_is_kept_by_a_cache(handler: http.Handler) -> None:
    assert call(handler).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("traceparent", "known"), [(f"00-{TRACE}-b7ad6b7169203331-00", True), ("", False), (f"00-{TRACE}", False)]
)
def test_a_request_without_an_id_is_named_after_its_trace(traceparent: str, known: bool) -> None:
    name = call(works, traceparent).headers["x-request-id"]
    assert len(name) == 32 and (name == TRACE) is known


@pytest.mark.parametrize(("given", "kept"), [("a.B:c-1_", True), ("x" * 128, True), ("x" * 129, False), ("a b", False)])
def test_a_request_id_is_kept_if_it_is_one(given: str, kept: bool) -> None:
    assert (call(works, **{"x-request-id": given}).headers["x-request-id"] == given) is kept
