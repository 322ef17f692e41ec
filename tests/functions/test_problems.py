"""Each operation answers with exactly the problems that it lists, and every problem type can occur."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from msgspec import Struct

from feedback import errors
from feedback.receipt import Receipts
from functions.shared import problems
from functions.shared.api import Api
from functions.shared.bulkhead import Bulkheads, create_bulkheads
from functions.shared.problems import BODY_PROBLEMS, PROBLEMS, Problem, ProblemType
from functions.shared.report_limit import ReportLimit
from functions.shared.service import Service
from functions.triggers import register_triggers
from sentiment.errors import ModelError
from tests.support.alerts import build_alert

INCIDENT_KEY = "i" * 32
RECEIPTS = Receipts(["k" * 32], timedelta(days=30))
RECEIPT = RECEIPTS.sign("fake@1", 0.9, "positive", "the crew was great")
FEEDBACK = json.dumps({"prediction_id": RECEIPT, "correct": True}).encode()
ALERT = json.dumps(build_alert(datetime(2026, 11, 22, 13, tzinfo=UTC), datetime(2026, 11, 22, 14, tzinfo=UTC))).encode()
DOWN = errors.StoreUnavailable("down", retry_after=7)

FAKES: dict[str, Any] = {
    "loaded_model": ModelError("no model here"),
    "models_folder": Path("nowhere"),
    "build": None,
    "receipts": RECEIPTS,
    "receipt_age": timedelta(days=30),
    "report_limit": ReportLimit(has_function_keys=True, has_sign_in=False),
    "store": None,
    "retention": timedelta(days=90),
    "export": None,
    "incidents": None,
    "incident_keys": (INCIDENT_KEY,),
    "reporter": None,
    "bulkheads": create_bulkheads(),
}


def raising(error: Exception, *methods: str) -> Any:
    """Return an object whose methods all raise the error."""

    def method(*_: object) -> None:
        raise error

    return SimpleNamespace(**dict.fromkeys(methods, method))


class Refusing:
    """A bulkhead that refuses every call. tests/functions/test_bulkhead.py has the real ones."""

    def __init__(self, problem: ProblemType) -> None:
        self._problem = problem

    async def run(self, _: object) -> None:
        raise Problem(self._problem, "no more", headers={"Retry-After": "7"})


class Case(Struct, frozen=True):
    """A request, and the parts of the service that make it fail."""

    function: str
    problem: ProblemType
    request: dict[str, Any] = {}
    parts: dict[str, Any] = {}


def api(**parts: Any) -> Api:
    """Return the API, with fakes for all parts of the service that `parts` does not replace."""
    found = Api(func.FunctionApp(), "function")
    register_triggers(found, Service(**FAKES | parts))
    return found


def call(
    api: Api,
    function: str,
    method: str = "POST",
    body: bytes = b"{}",
    content_type: str = "application/json",
    key: str = INCIDENT_KEY,
    **route_params: str,
) -> func.HttpResponse:
    handlers = {f.get_function_name(): f.get_user_function() for f in api.app.get_functions()}
    request = func.HttpRequest(
        method, "/", headers={"content-type": content_type}, params={"key": key}, route_params=route_params, body=body
    )
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
    response: func.HttpResponse = asyncio.run(handlers[function](request, context))
    return response


BAD_BODIES: dict[ProblemType, dict[str, Any]] = {
    problems.NOT_JSON: {"body": b"{"},
    problems.INVALID_INPUT: {"body": b"{}"},
    problems.BODY_TOO_LARGE: {"body": b" " * 200_000},
    problems.UNSUPPORTED_MEDIA_TYPE: {"content_type": "text/plain"},
}
CASES = [
    *(Case(name, problem, bad) for name in ("predict", "feedback", "incident") for problem, bad in BAD_BODIES.items()),
    Case("predict", problems.MODEL_UNAVAILABLE, {"body": b'{"text": "a"}'}),
    Case("ready", problems.MODEL_UNAVAILABLE),
    Case("models", problems.MODEL_UNAVAILABLE),
    Case(
        "feedback",
        problems.FEEDBACK_CONFLICT,
        {"body": FEEDBACK},
        {"store": raising(errors.FeedbackConflict("another"), "add")},
    ),
    Case(
        "feedback",
        problems.RECEIPT_EXPIRED,
        {"body": FEEDBACK},
        {"receipts": Receipts(["k" * 32], timedelta(seconds=-1))},
    ),
    Case("feedback", problems.INVALID_RECEIPT, {"body": b'{"prediction_id": "none", "correct": true}'}),
    Case(
        "feedback",
        problems.RECEIPT_FROM_FUTURE,
        {"body": FEEDBACK},
        {"receipts": raising(errors.ReceiptFromFuture("dated in the future"), "read_recent")},
    ),
    Case(
        "feedback",
        problems.TOO_MANY_REPORTS,
        {"body": FEEDBACK},
        {"report_limit": raising(Problem(problems.TOO_MANY_REPORTS, "slower", headers={"Retry-After": "7"}), "take")},
    ),
    Case("feedback", problems.STORE_UNAVAILABLE, {"body": FEEDBACK}, {"store": raising(DOWN, "add")}),
    Case("erase", problems.INVALID_RECEIPT, {"prediction_id": "none"}),
    Case(
        "erase",
        problems.TOO_MANY_REPORTS,
        {"prediction_id": RECEIPT},
        {"report_limit": raising(Problem(problems.TOO_MANY_REPORTS, "slower", headers={"Retry-After": "7"}), "take")},
    ),
    Case("erase", problems.STORE_UNAVAILABLE, {"prediction_id": RECEIPT}, {"store": raising(DOWN, "erase")}),
    Case("incident", problems.WRONG_KEY, {"key": "k" * 32}),
    Case(
        "incident",
        problems.STORE_UNAVAILABLE,
        {"body": ALERT},
        {"reporter": object(), "incidents": raising(DOWN, "claim")},
    ),
    Case("incident", problems.MAIL_UNAVAILABLE, {"body": ALERT}),
    Case(
        "incident",
        problems.INCIDENT_IN_PROGRESS,
        {"body": ALERT},
        {"reporter": object(), "incidents": raising(errors.IncidentInProgress("busy", retry_after=7), "claim")},
    ),
]
CASES += [
    Case(function, problem, request, {**parts, "bulkheads": Bulkheads(*[Refusing(problem)] * len(Bulkheads._fields))})
    for problem in (problems.OVERLOADED, problems.DEADLINE_PASSED)
    for function, request, parts in (
        ("predict", {"body": b'{"texts": ["a", "b"]}'}, {"loaded_model": object()}),
        ("feedback", {"body": FEEDBACK}, {}),
        ("erase", {"prediction_id": RECEIPT}, {}),
        ("incident", {"body": ALERT}, {"reporter": object()}),
    )
]
# Any request may have these; they belong to no operation.
GENERAL = [
    Case("zz_not_found", problems.NOT_FOUND, {"path": "nothing"}),
    Case("zz_not_found", problems.METHOD_NOT_ALLOWED, {"path": "api/predict", "method": "GET"}),
    Case("feedback", problems.INTERNAL_ERROR, {"body": FEEDBACK}, {"store": raising(RuntimeError("bug"), "add")}),
]


@pytest.mark.parametrize("case", CASES + GENERAL, ids=lambda case: f"{case.function}: {case.problem.title}")
def test_problem_is_answered_as_its_type_says(case: Case) -> None:
    response = call(api(**case.parts), case.function, **case.request)
    assert response.headers["content-type"] == "application/problem+json"
    details = json.loads(response.get_body())
    assert response.status_code == details["status"] == case.problem.status
    assert (details["type"], details["title"]) == (case.problem.urn, case.problem.title)
    assert details["detail"] and details["instance"].startswith("urn:buzzguard:request:")
    assert ("retry-after" in response.headers) is case.problem.retry_after
    assert ("errors" in details) is case.problem.field_errors


def test_operations_list_exactly_the_problems_that_they_answer_with() -> None:
    listed = {
        (operation.name, problem)
        for operation in api().operations
        for problem in (*operation.problems, *(BODY_PROBLEMS if operation.body is not None else ()))
    }
    assert listed == {(case.function, case.problem) for case in CASES}


def test_every_problem_type_is_in_the_table_and_is_raised() -> None:
    defined = {value for value in vars(problems).values() if isinstance(value, ProblemType)}
    assert defined == set(PROBLEMS.values()) == {case.problem for case in CASES + GENERAL}
    assert all(PROBLEMS[problem.slug] is problem for problem in defined)
