"""What goes wrong between a browser and the service: it is said in words for people, and nothing typed is lost."""

import json
import re
import socket
import time
from datetime import timedelta

import pytest
from playwright.sync_api import Route, expect

from feedback.receipt import Receipts
from tests.browser.conftest import Visit
from tests.browser.states import FEEDBACK, HOLD, PREDICT, PUBLISH, REVIEW
from tests.browser.visitor import Visitor
from tests.support.app import FUNCTION_KEY, App, StartApp
from tests.support.paths import ROOT

RECEIPT_KEY = "development-" + "k" * 32  # of every app that tests start


@pytest.fixture(scope="module")
def port() -> int:
    """A free one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_service_goes_away_and_comes_back(visit: Visit, start_app: StartApp, port: int) -> None:
    def start() -> App:
        return start_app(MODEL=str(ROOT / "models" / "lite"), PORT=str(port), TABLES_CONNECTION_STRING="AccountName=x")

    app = start()
    visitor = visit(address=str(app.http.base_url))
    visitor.open()
    visitor.analyse(PUBLISH)
    visitor.press("feedback.no")
    comment = visitor.page.get_by_label(visitor.words("feedback.comment"))
    comment.fill("half a thought")
    app.process.terminate()
    app.process.wait()

    visitor.press("feedback.send")
    expect(visitor.feedback.get_by_role("alert")).to_contain_text(visitor.words("problem.unreachable"))
    expect(comment).to_have_value("half a thought")
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text(visitor.words("problem.unreachable"))
    expect(visitor.box).to_have_value(HOLD)

    start()
    visitor.press("problem.again")
    visitor.expect_state("verdict")
    expect(visitor.verdict).to_have_attribute("data-decision", "hold")
    visitor.page.get_by_role("list").get_by_role("button", name=PUBLISH).click()
    expect(comment).to_have_value("half a thought")
    visitor.complaints.settle(*[f"POST {path}: net::ERR_CONNECTION_REFUSED" for path in (FEEDBACK, PREDICT)])


def test_a_reload_loses_nothing(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.analyse(REVIEW)
    visitor.press("feedback.no")
    visitor.page.get_by_label(visitor.words("feedback.comment")).fill("half a thought")
    visitor.page.get_by_label(visitor.words("feedback.share")).check()
    visitor.box.fill("half a tweet")
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    visitor.lines.fill("one\ntwo")
    visitor.page.reload()
    expect(visitor.lines).to_have_value("one\ntwo")
    visitor.page.get_by_role("tab", name=visitor.words("tabs.one")).click()
    expect(visitor.box).to_have_value("half a tweet")
    expect(visitor.verdict).to_contain_text(REVIEW)
    expect(visitor.page.get_by_label(visitor.words("feedback.comment"))).to_have_value("half a thought")
    expect(visitor.page.get_by_label(visitor.words("feedback.share"))).to_be_checked()


def test_what_is_too_long_is_not_sent(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    text = "é" * 1001
    visitor.box.fill(text)
    visitor.press("one.analyse")
    expect(visitor.box).to_be_focused()
    expect(visitor.box).to_have_accessible_description(re.compile(visitor.words("one.tooLong", n=1, most="1,000")))
    expect(visitor.box).to_have_value(text)
    assert f"POST {PREDICT}" not in visitor.calls
    visitor.analyse(text[1:])


@pytest.mark.parametrize(("status", "problem"), [(429, "busy"), (503, "unavailable")])
def test_a_service_that_asks_for_patience_is_left_alone(visit: Visit, status: int, problem: str) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.clock.install()
    visitor.fail(PREDICT, status, **{"retry-after": "90"})
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text(visitor.words(f"problem.{problem}"))
    expect(visitor.button("problem.wait", n=90)).to_be_disabled()
    visitor.page.clock.run_for(89_000)
    expect(visitor.button("problem.wait", n=1)).to_be_disabled()
    visitor.page.clock.run_for(1_000)
    visitor.mend(PREDICT)
    visitor.press("problem.again")
    visitor.expect_state("verdict")
    expect(visitor.box).to_have_value(HOLD)
    visitor.complaints.settle(f"{PREDICT}: {status}$")


def test_who_asks_about_another_tweet_does_not_wait_for_the_first(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    first = iter([True])
    visitor.page.route(f"**{PREDICT}", lambda route: None if next(first, False) else route.continue_())
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    visitor.expect_state("loading")
    visitor.analyse(PUBLISH)
    expect(visitor.verdict).to_have_attribute("data-decision", "publish")
    visitor.complaints.settle(f"{PREDICT}: net::ERR_ABORTED")


def test_whether_one_must_sign_in_is_no_longer_asked_when_nobody_waits_for_it(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.fail(PREDICT, 401)
    visitor.page.route(re.compile(r":\d+/$"), lambda route: None)
    visitor.box.fill(HOLD)
    with visitor.page.expect_request(lambda request: request.method == "HEAD"):
        visitor.press("one.analyse")
    visitor.mend(PREDICT)
    visitor.analyse(PUBLISH)
    expect(visitor.verdict).to_have_attribute("data-decision", "publish")
    visitor.complaints.settle(f"{PREDICT}: 401$", "HEAD /: net::ERR_ABORTED")


def test_an_answer_of_another_age_is_a_failure(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.route(f"**{PREDICT}", lambda route: route.fulfill(json={"predictions": []}))
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text(visitor.words("problem.failed"))
    visitor.mend(PREDICT)
    visitor.press("problem.again")
    visitor.expect_state("verdict")


def test_a_failure_names_the_request(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.fail(PREDICT, 500)
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text("a1b2c3d4")
    expect(visitor.box).to_have_value(HOLD)
    visitor.complaints.settle(f"{PREDICT}: 500$")


def test_an_answer_that_comes_too_late(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt is from last month: the service itself says that it has expired."""
    month_ago = time.time() - 31 * 86400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: month_ago)
    old = Receipts([RECEIPT_KEY], timedelta(days=30)).sign("lite@1", 0.9, "positive", HOLD)
    monkeypatch.undo()
    visitor = visit()
    visitor.open()
    swap_receipt(visitor, old)
    visitor.analyse(HOLD)
    visitor.mend(PREDICT)
    visitor.press("feedback.yes")
    visitor.press("feedback.send")
    expect(visitor.feedback.get_by_role("alert")).to_contain_text(visitor.words("problem.expired"))
    visitor.press("problem.analyse")
    visitor.press("feedback.yes")
    visitor.press("feedback.send")
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanks"))).to_be_visible()
    visitor.complaints.settle(f"{FEEDBACK}: 410$")


def test_another_answer_was_quicker(visit: Visit, site: App) -> None:
    visitor = visit()
    visitor.open()
    with visitor.page.expect_response(f"**{PREDICT}") as predicted:
        visitor.analyse(HOLD)
    receipt = predicted.value.json()["predictions"][0]["prediction_id"]
    assert site.http.post(FEEDBACK, json={"prediction_id": receipt, "correct": True}).status_code == 201
    visitor.press("feedback.no")
    visitor.page.get_by_label(visitor.words("feedback.comment")).fill("I disagree")
    visitor.press("feedback.send")
    expect(visitor.feedback.get_by_role("alert")).to_contain_text(visitor.words("problem.conflict"))
    visitor.press("problem.erase")
    expect(visitor.page.get_by_label(visitor.words("feedback.comment"))).to_have_value("I disagree")
    visitor.press("feedback.send")
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanksWrong"))).to_be_visible()
    visitor.complaints.settle(f"{FEEDBACK}: 409$")


def test_a_key_is_asked_for_and_kept_in_the_tab(visit: Visit, guarded: App) -> None:
    visitor = visit(address=str(guarded.http.base_url))
    visitor.open()
    key = visitor.page.get_by_label(visitor.words("key.label"))
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(key).to_be_focused()
    key.fill("not this one")
    with visitor.page.expect_response("**/api/models"), visitor.page.expect_response(f"**{PREDICT}"):
        key.press("Enter")
    expect(visitor.page.get_by_text(visitor.words("key.refused")).first).to_be_visible()
    key.fill(FUNCTION_KEY)
    key.press("Enter")
    visitor.expect_state("verdict")
    expect(visitor.verdict).to_have_attribute("data-decision", "hold")
    expect(key).to_be_hidden()
    assert FUNCTION_KEY not in json.dumps(visitor.context.storage_state())  # which holds what outlives a tab
    visitor.page.reload()
    visitor.analyse(PUBLISH)
    visitor.complaints.settle(*["401$"] * 4)


def test_a_refusal_that_comes_late_is_not_of_the_key_given_since(visit: Visit, guarded: App) -> None:
    visitor = visit(address=str(guarded.http.base_url))
    asked: list[Route] = []
    visitor.page.route("**/api/models", lambda route: route.continue_() if asked else asked.append(route))
    visitor.open()
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    key = visitor.page.get_by_label(visitor.words("key.label"))
    key.fill(FUNCTION_KEY)
    key.press("Enter")
    visitor.expect_state("verdict")
    asked[0].continue_()  # as it was asked: without a key
    expect(visitor.page.locator("[data-thresholds=known]")).to_be_visible()
    expect(key).to_be_hidden()
    visitor.complaints.settle(*["401$"] * 2)


def test_a_key_comes_with_a_link(visit: Visit, guarded: App) -> None:
    visitor = visit(address=str(guarded.http.base_url))
    visitor.open(f"/#key={FUNCTION_KEY.replace(' ', '%20')}")
    visitor.analyse(PUBLISH)
    assert "key" not in visitor.page.url


def swap_receipt(visitor: Visitor, receipt: str) -> None:
    """Verdicts come with this receipt from now on."""

    def swap(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        answer["predictions"][0]["prediction_id"] = receipt
        route.fulfill(response=response, json=answer)

    visitor.page.route(f"**{PREDICT}", swap)
