"""Failures between browser and service: the page explains them and loses no text."""

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
from tests.support.app import FUNCTION_KEY, RECEIPT_KEY, App, StartApp
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_page_recovers_when_the_service_comes_back(visit: Visit, start_app: StartApp, port: int) -> None:
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
    visitor.errors.expect_only(*[f"POST {path}: net::ERR_CONNECTION_REFUSED" for path in (FEEDBACK, PREDICT)])


def test_reload_loses_nothing(visit: Visit) -> None:
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


def test_too_long_text_is_not_sent(visit: Visit) -> None:
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


@pytest.mark.parametrize(
    ("status", "slug", "problem"),
    [
        (429, "", "busy"),
        (503, "model-unavailable", "unavailable"),
        (503, "overloaded", "busy"),
        (503, "deadline-passed", "timeout"),
    ],
)
def test_waits_as_long_as_retry_after_says(visit: Visit, status: int, slug: str, problem: str) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.clock.install()
    visitor.fail(PREDICT, status, slug, **{"retry-after": "90"})
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
    visitor.errors.expect_only(f"{PREDICT}: {status}$")


def test_a_new_call_cancels_the_pending_one(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    first = iter([True])
    visitor.page.route(f"**{PREDICT}", lambda route: None if next(first, False) else route.continue_())
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    visitor.expect_state("loading")
    visitor.analyse(PUBLISH)
    expect(visitor.verdict).to_have_attribute("data-decision", "publish")
    visitor.errors.expect_only(f"{PREDICT}: net::ERR_ABORTED")


def test_sign_in_check_ends_with_a_cancelled_call(visit: Visit) -> None:
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
    visitor.errors.expect_only(f"{PREDICT}: 401$", "HEAD /: net::ERR_ABORTED")


def test_response_of_an_older_api_is_a_failure(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.route(f"**{PREDICT}", lambda route: route.fulfill(json={"predictions": []}))
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text(visitor.words("problem.failed"))
    visitor.mend(PREDICT)
    visitor.press("problem.again")
    visitor.expect_state("verdict")


def test_failure_shows_the_request_id(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.fail(PREDICT, 500)
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text("a1b2c3d4")
    expect(visitor.box).to_have_value(HOLD)
    visitor.errors.expect_only(f"{PREDICT}: 500$")


def test_expired_receipt_offers_a_new_analysis(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt is a month old, so the real service refuses it."""
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
    with visitor.page.expect_response(f"**{PREDICT}"):
        visitor.press("problem.analyse")
    expect(visitor.feedback.get_by_role("alert")).to_have_count(0)  # the form belongs to the new verdict
    visitor.press("feedback.yes")
    visitor.press("feedback.send")
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanks"))).to_be_visible()
    visitor.errors.expect_only(f"{FEEDBACK}: 410$")


def test_conflict_offers_to_erase_the_stored_feedback(visit: Visit, site: App) -> None:
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
    visitor.errors.expect_only(f"{FEEDBACK}: 409$")


def test_asks_for_a_key_and_keeps_it_in_the_tab(visit: Visit, site_with_key: App) -> None:
    visitor = visit(address=str(site_with_key.http.base_url))
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
    assert FUNCTION_KEY not in json.dumps(visitor.context.storage_state())  # which holds what survives the tab
    visitor.page.reload()
    visitor.analyse(PUBLISH)
    visitor.errors.expect_only(*["401$"] * 4)


def test_late_refusal_does_not_apply_to_a_newer_key(visit: Visit, site_with_key: App) -> None:
    visitor = visit(address=str(site_with_key.http.base_url))
    asked: list[Route] = []
    visitor.page.route("**/api/models", lambda route: route.continue_() if asked else asked.append(route))
    visitor.open()
    visitor.box.fill(HOLD)
    visitor.press("one.analyse")
    key = visitor.page.get_by_label(visitor.words("key.label"))
    key.fill(FUNCTION_KEY)
    key.press("Enter")
    visitor.expect_state("verdict")
    asked[0].continue_()  # as sent, without a key
    expect(visitor.page.locator("[data-thresholds=known]")).to_be_visible()
    expect(key).to_be_hidden()
    visitor.errors.expect_only(*["401$"] * 2)


def test_key_can_come_in_a_link(visit: Visit, site_with_key: App) -> None:
    visitor = visit(address=str(site_with_key.http.base_url))
    visitor.open(f"/#key={FUNCTION_KEY.replace(' ', '%20')}")
    visitor.analyse(PUBLISH)
    assert "key" not in visitor.page.url


def swap_receipt(visitor: Visitor, receipt: str) -> None:
    """Replace the receipt of every later prediction."""

    def swap(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        answer["predictions"][0]["prediction_id"] = receipt
        route.fulfill(response=response, json=answer)

    visitor.page.route(f"**{PREDICT}", swap)
