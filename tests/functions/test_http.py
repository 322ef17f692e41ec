"""What every endpoint does for its handler: errors as problems, nothing personal in the log, request ids."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import msgspec
import pytest

from feedback import errors as feedback_errors
from functions.predict import PredictRequest
from functions.shared import http, problems
from sentiment import errors

TRACE = "0af7651916cd43dd8448eb211c80319c"


def call(
    handler: http.Handler, traceparent: str = f"00-{TRACE}-b7ad6b7169203331-01", **headers: str
) -> func.HttpResponse:
    context: Any = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=traceparent))
    return asyncio.run(
        http.as_azure_function("tested", handler)(func.HttpRequest("GET", "/", headers=headers, body=b""), context)
    )


async def fails(*_: object) -> http.ApiResponse:
    raise RuntimeError("the secret")


async def works(*_: object) -> http.ApiResponse:
    return http.ApiResponse(200, {"a": 1})


class UnknownError(errors.BuzzguardError):
    pass


@pytest.mark.parametrize(
    ("error", "logged"), [(errors.ModelError("the secret"), "the secret"), (UnknownError("the secret"), "UnknownError")]
)
def test_error_of_the_service_is_logged_and_not_shown(
    error: Exception, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(*_: object) -> http.ApiResponse:
        raise error

    response = call(raises)
    assert response.status_code in (500, 503)
    assert "secret" not in response.get_body().decode()
    assert json.loads(response.get_body())["status"] == response.status_code
    assert logged in caplog.text
    assert response.headers["x-request-id"] in caplog.text


class QuotingError(KeyError):
    def __str__(self) -> str:
        return f"no vector for {TWEET!r}"


TWEET = "Zebulon was late again"


def raise_quoting() -> None:
    """Raise an error that quotes the text, as libraries do."""
    try:
        msgspec.json.decode(json.dumps({TWEET: 1}), type=problems.FieldError)
    except msgspec.ValidationError as error:
        error.add_note(TWEET)
        raise QuotingError(TWEET) from error


def fail_with_text() -> None:
    try:
        raise_quoting()
    except QuotingError:
        raise ExceptionGroup(TWEET, [UnicodeEncodeError("utf-8", TWEET, 0, 7, TWEET)])  # noqa: B904


@pytest.mark.parametrize("wrapped", [False, True])
def test_log_has_the_traceback_of_an_error_without_its_message(wrapped: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: object) -> http.ApiResponse:
        try:
            fail_with_text()
        except ExceptionGroup as error:
            if wrapped:
                raise feedback_errors.StoreUnavailable("down", retry_after=7) from error
            raise
        raise AssertionError

    assert call(raises).status_code == (503 if wrapped else 500)
    assert "Zebulon" not in caplog.text
    for known in ("ExceptionGroup", "QuotingError", "msgspec.ValidationError", "in fail_with_text", "in raise_quoting"):
        assert known in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (feedback_errors.FeedbackConflict("why"), 409),
        (feedback_errors.ExpiredReceipt("why"), 410),
        (feedback_errors.InvalidReceipt("why"), 422),
        (problems.Problem(problems.NOT_FOUND, "why"), 404),
    ],
)
def test_error_of_the_caller_is_shown_and_not_logged(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(*_: object) -> http.ApiResponse:
        raise error

    response = call(raises)
    assert (response.status_code, json.loads(response.get_body())["detail"]) == (status, "why")
    assert not caplog.records


def test_problem_needs_a_type_of_the_table() -> None:
    """The OpenAPI document describes the table: no operation may answer with another error."""
    teapot = problems.ProblemType(418, "Teapot", "", "")
    with pytest.raises(ValueError, match="lacks the problem type 'Teapot'"):
        problems.Problem(teapot, "why")


def test_unavailable_store_is_logged_and_sets_retry_after(caplog: pytest.LogCaptureFixture) -> None:
    async def raises(*_: object) -> http.ApiResponse:
        raise feedback_errors.StoreUnavailable("down", retry_after=7)

    with caplog.at_level(logging.ERROR):
        response = call(raises)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert "down" in caplog.text


@pytest.mark.parametrize("handler", [works, fails])
def test_responses_are_not_cached(handler: http.Handler) -> None:
    assert call(handler).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("traceparent", "known"), [(f"00-{TRACE}-b7ad6b7169203331-00", True), ("", False), (f"00-{TRACE}", False)]
)
def test_request_id_is_by_default_the_trace_id(traceparent: str, known: bool) -> None:
    name = call(works, traceparent).headers["x-request-id"]
    assert len(name) == 32 and (name == TRACE) is known


@pytest.mark.parametrize(("given", "kept"), [("a.B:c-1_", True), ("x" * 128, True), ("x" * 129, False), ("a b", False)])
def test_valid_request_id_of_the_caller_is_kept(given: str, kept: bool) -> None:
    assert (call(works, **{"x-request-id": given}).headers["x-request-id"] == given) is kept


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"text": "a", "explain": NaN}', "JSON is malformed: invalid character (byte 25)"),
        (b'{"text": "a", "explain": -Infinity}', "JSON is malformed: invalid character (byte 26)"),
        ('{"text": "a"}'.encode("utf-16"), "byte 0 is not UTF-8"),
        ('{"text": "a"}'.encode("utf-16-le"), "it holds NUL, as UTF-16 does"),
        ('{"text": "a"}'.encode("utf-16-be"), "it holds NUL, as UTF-16 does"),
        ('{"text": "a"}'.encode("utf-8-sig"), "JSON is malformed: invalid character (byte 0)"),
        (b'{"text": "\xff"}', "byte 10 is not UTF-8"),
        (b'{"text": "\\ud800"}', "a lone surrogate is not a character"),
        (b'{"text": "\\ude00\\ud83d"}', "a lone surrogate is not a character"),
        (b'{"text": "a"', "Input data was truncated"),
    ],
)
def test_body_that_is_not_json_is_told_what_is_wrong_with_it(body: bytes, reason: str) -> None:
    request = func.HttpRequest("POST", "/", headers={"content-type": "application/json"}, body=body)
    with pytest.raises(problems.Problem) as refused:
        http._decode(request, msgspec.json.Decoder(PredictRequest))
    assert refused.value.problem_type is problems.NOT_JSON
    assert str(refused.value) == f"The body must be JSON in UTF-8: {reason}."
