"""The limit of reports, with a clock that the test sets."""

from collections.abc import Callable

import azure.functions as func
import pytest

from functions.shared import report_limit
from functions.shared.problems import TOO_MANY_REPORTS, Problem
from functions.shared.report_limit import PER_CALLER, PER_INSTANCE, ReportLimit

KEY = "x-functions-key"
PERSON = "x-ms-client-principal-id"


class Clock:
    """Seconds that only the test counts on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> ReportLimit:
    """The limit of an app with function keys."""
    return ReportLimit(has_function_keys=True, has_sign_in=False, now=clock)


def request(headers: dict[str, str] | None = None, **params: str) -> func.HttpRequest:
    return func.HttpRequest("POST", "/api/feedback", headers=headers or {}, params=params, body=b"")


def taken(limit: ReportLimit, sent: func.HttpRequest, times: int) -> int:
    """Send `times` reports at once; return how many were taken."""
    refused = 0
    for _ in range(times):
        try:
            limit.take(sent)
        except Problem:
            refused += 1
    return times - refused


def test_a_caller_may_send_a_burst_and_then_one_report_a_second(limit: ReportLimit, clock: Clock) -> None:
    caller = request({KEY: "a"})
    assert taken(limit, caller, 100) == PER_CALLER.burst
    clock.seconds += 5
    assert taken(limit, caller, 100) == 5 * PER_CALLER.per_second
    clock.seconds += 3600
    assert taken(limit, caller, 100) == PER_CALLER.burst


def test_refusal_says_how_long_to_wait_and_waiting_that_long_is_enough(limit: ReportLimit, clock: Clock) -> None:
    caller = request({KEY: "a"})
    taken(limit, caller, PER_CALLER.burst)
    clock.seconds += 0.25
    with pytest.raises(Problem) as refused:
        limit.take(caller)
    assert refused.value.problem_type is TOO_MANY_REPORTS
    assert refused.value.headers == {"Retry-After": "1"}
    clock.seconds += 1
    limit.take(caller)


def test_one_caller_does_not_use_up_what_another_may_send(limit: ReportLimit) -> None:
    assert taken(limit, request({KEY: "a"}), 100) == PER_CALLER.burst
    assert taken(limit, request({KEY: "b"}), 100) == PER_CALLER.burst


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (request({KEY: "a"}), request(code="a")),
        (request(code="a"), request(Code="a")),  # Azure's host takes any case and hands it on
        (request({KEY: "a"}), request({KEY: "a,b"})),  # a header that is sent twice: the host checks the first
        (request(code="a"), request(code="a,b")),
        (request({KEY: "a"}), request({KEY: "a"}, code="b")),  # the host checks the header only
        (request({KEY: "a", PERSON: "b"}), request({KEY: "a", PERSON: "c"})),  # nobody signs in: anybody can write it
    ],
)
def test_one_key_is_one_caller_however_it_is_sent(
    limit: ReportLimit, first: func.HttpRequest, second: func.HttpRequest
) -> None:
    taken(limit, first, PER_CALLER.burst)
    assert taken(limit, second, 1) == 0


def test_people_who_sign_in_are_told_apart_and_keys_that_nobody_checks_are_not(clock: Clock) -> None:
    limit = ReportLimit(has_function_keys=False, has_sign_in=True, now=clock)
    taken(limit, request({PERSON: "alice", KEY: "1"}), PER_CALLER.burst)
    assert taken(limit, request({PERSON: "alice", KEY: "2"}), 1) == 0
    assert taken(limit, request({PERSON: "bob", KEY: "1"}), 100) == PER_CALLER.burst


def test_callers_that_cannot_be_told_apart_share_a_larger_limit(clock: Clock) -> None:
    limit = ReportLimit(has_function_keys=False, has_sign_in=False, now=clock)
    forged: Callable[[int], func.HttpRequest] = lambda n: request({PERSON: str(n), KEY: str(n)}, code=str(n))  # noqa: E731
    assert sum(taken(limit, forged(n), 1) for n in range(PER_INSTANCE.burst + 100)) == PER_INSTANCE.burst
    clock.seconds += 2
    assert taken(limit, request(), 1000) == pytest.approx(2 * PER_INSTANCE.per_second, abs=1)


def test_remembers_a_bounded_number_of_callers_and_forgets_the_silent_first(
    limit: ReportLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_limit, "MAX_CALLERS", 3)
    for name in "abca":
        taken(limit, request({KEY: name}), PER_CALLER.burst)
    limit.take(request({KEY: "d"}))
    assert len(limit._full_at) == 3
    assert taken(limit, request({KEY: "a"}), 1) == 0
    assert taken(limit, request({KEY: "b"}), 1) == 1


def test_keeps_no_key_in_memory(limit: ReportLimit) -> None:
    limit.take(request({KEY: "a secret"}))
    assert "secret" not in repr(vars(limit))
