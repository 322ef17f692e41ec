"""Every state of the page and how to reach it. Checked by test_states.py, drawn by screenshots.py."""

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import expect

from tests.browser.visitor import Visitor

PUBLISH = "New seats, better coffee, and Lisbon from 49 euros: we love where this summer is going"
REVIEW = "Our new app is here. It still crashes now and then, but it remembers your seat"
HOLD = "We are sorry: all flights to Lisbon are cancelled today, and our phone lines are overloaded"
UNKNOWN = "Zorgblat frimple quonk"
FOREIGN = "Nous sommes très heureux de vous retrouver à bord cet été"
TOO_LONG = f"{REVIEW}. " * 13  # for the API
VERDICTS = {"publish": PUBLISH, "review": REVIEW, "hold": HOLD}

PREDICT, FEEDBACK, MODELS = "/api/predict", "/api/feedback", "/api/models"


class State(NamedTuple):
    name: str
    reach: Callable[[Visitor], None]
    errors: tuple[str, ...] = ()  # expected errors in the browser's log


def _empty(visitor: Visitor) -> None:
    visitor.open()
    expect(visitor.verdict).to_have_attribute("data-state", "empty")


def _verdict(text: str) -> Callable[[Visitor], None]:
    def reach(visitor: Visitor) -> None:
        visitor.open()
        visitor.analyse(text)
        expect(visitor.page.locator("[data-thresholds=known]")).to_be_visible()

    return reach


def _loading(visitor: Visitor) -> None:
    visitor.open()
    visitor.hang(PREDICT)
    visitor.box.fill(PUBLISH)
    visitor.press("one.analyse")
    visitor.expect_state("loading")


def _stale(visitor: Visitor) -> None:
    _verdict(REVIEW)(visitor)
    visitor.box.press_sequentially("!")
    expect(visitor.page.get_by_text(visitor.words("verdict.stale"))).to_be_visible()


def _invalid_text(text: str) -> Callable[[Visitor], None]:
    """Submit a text that the page refuses to send."""

    def reach(visitor: Visitor) -> None:
        visitor.open()
        visitor.box.fill(text)
        visitor.press("one.analyse")
        expect(visitor.box).to_have_attribute("aria-invalid", "true")

    return reach


def _over(visitor: Visitor) -> None:
    visitor.open()
    visitor.box.fill(f"{PUBLISH}. " * 4)
    expect(visitor.page.locator("#count")).to_have_attribute("data-over", "true")


def _answering(visitor: Visitor) -> None:
    _verdict(REVIEW)(visitor)
    visitor.press("feedback.no")
    visitor.page.get_by_label(visitor.words("feedback.comment")).fill("It is a joke among regulars")


def _thanked(visitor: Visitor) -> None:
    _answering(visitor)
    visitor.press("feedback.send")
    expect(visitor.feedback).to_have_attribute("data-state", "thanked")


def _erased(visitor: Visitor) -> None:
    _thanked(visitor)
    visitor.press("feedback.undo")
    expect(visitor.page.locator(".undone")).to_be_visible()


def _next(visitor: Visitor) -> None:
    """Analyse several tweets, then start the next one."""
    visitor.open()
    for text in VERDICTS.values():
        visitor.analyse(text)
    visitor.press("feedback.next")
    visitor.expect_state("empty")


def _predict_and_fail(visitor: Visitor, status: int, **headers: str) -> None:
    visitor.fail(PREDICT, status, **headers)
    visitor.box.fill(PUBLISH)
    visitor.press("one.analyse")
    visitor.expect_state("problem")


def _problem(status: int, **headers: str) -> Callable[[Visitor], None]:
    def reach(visitor: Visitor) -> None:
        visitor.open()
        _predict_and_fail(visitor, status, **headers)

    return reach


def _unreachable(visitor: Visitor) -> None:
    visitor.open()
    visitor.page.route(f"**{PREDICT}", lambda route: route.abort("connectionrefused"))
    visitor.box.fill(PUBLISH)
    visitor.press("one.analyse")
    visitor.expect_state("problem")


def _refused_answer(status: int) -> Callable[[Visitor], None]:
    def reach(visitor: Visitor) -> None:
        _answering(visitor)
        visitor.fail(FEEDBACK, status)
        visitor.press("feedback.send")
        expect(visitor.feedback).to_have_attribute("data-state", "problem")

    return reach


def _key(visitor: Visitor) -> None:
    visitor.fail(MODELS, 401)
    visitor.open()
    expect(visitor.page.get_by_label(visitor.words("key.label"))).to_be_visible()


def _wrong_key(visitor: Visitor) -> None:
    _key(visitor)
    visitor.page.get_by_label(visitor.words("key.label")).fill("not this one")
    visitor.press("key.use")
    expect(visitor.page.locator("#key")).to_have_attribute("data-state", "refused")


def _signed_out(visitor: Visitor) -> None:
    visitor.open()
    visitor.fail("/", 401)
    _predict_and_fail(visitor, 401)
    expect(visitor.page.get_by_role("link", name=visitor.words("problem.signin.link"))).to_be_visible()


def _privacy(visitor: Visitor) -> None:
    visitor.open()
    visitor.page.get_by_role("link", name=visitor.words("foot.more")).click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()


def _batch(visitor: Visitor) -> None:
    visitor.open()
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    expect(visitor.batch).to_be_visible()


def _file(visitor: Visitor) -> None:
    _batch(visitor)
    table = f"date;tweet\r\n1 May;{PUBLISH}\r\n2 May;{HOLD}\r\n"
    visitor.choose_file("may.csv", table.encode())
    expect(visitor.page.locator("#source")).to_be_visible()


def _too_many(visitor: Visitor) -> None:
    _batch(visitor)
    visitor.lines.fill("tweet\n" * 501)
    visitor.press("many.analyse")
    expect(visitor.lines).to_have_attribute("aria-invalid", "true")


def _analysed(visitor: Visitor) -> None:
    _batch(visitor)
    visitor.lines.fill("\n".join([*VERDICTS.values(), UNKNOWN, FOREIGN, TOO_LONG]))
    visitor.press("many.analyse")
    expect(visitor.batch).to_have_attribute("data-state", "done")


def _running(visitor: Visitor) -> None:
    """The first batch is done, the second is pending."""
    _batch(visitor)
    visitor.lines.fill("\n".join([*VERDICTS.values()] * 30))
    calls = iter([True])
    visitor.page.route(f"**{PREDICT}", lambda route: route.continue_() if next(calls, False) else None)
    visitor.press("many.analyse")
    expect(visitor.batch.get_by_role("row")).to_have_count(65)


def _stopped(visitor: Visitor) -> None:
    _running(visitor)
    visitor.press("many.cancel")
    expect(visitor.batch).to_have_attribute("data-state", "paused")


def _interrupted(visitor: Visitor) -> None:
    _stopped(visitor)
    visitor.mend(PREDICT)
    visitor.fail(PREDICT, 503)
    visitor.press("many.resume")
    expect(visitor.batch).to_have_attribute("data-state", "problem")


def _status_error(status: int, path: str = PREDICT) -> tuple[str, ...]:
    return (f"{path}: {status}$",)


_ABORTED = (f"{PREDICT}: net::ERR_ABORTED",)

STATES = [
    State("empty", _empty),
    State("loading", _loading),
    *(State(decision, _verdict(text)) for decision, text in VERDICTS.items()),
    State("unknown-words", _verdict(UNKNOWN)),
    State("not-english", _verdict(FOREIGN)),
    State("over-280", _over),
    State("too-long", _invalid_text(TOO_LONG)),
    State("blank", _invalid_text(" ")),
    State("stale", _stale),
    State("answering", _answering),
    State("thanked", _thanked),
    State("undone", _erased),
    State("next", _next),
    State("unreachable", _unreachable, (f"{PREDICT}: net::ERR_CONNECTION_REFUSED",)),
    State("busy", _problem(429, **{"retry-after": "30"}), _status_error(429)),
    State("unavailable", _problem(503), _status_error(503)),
    State("failed", _problem(500), _status_error(500)),
    State("refused", _problem(400), _status_error(400)),
    State("answer-expired", _refused_answer(410), _status_error(410, FEEDBACK)),
    State("answer-conflict", _refused_answer(409), _status_error(409, FEEDBACK)),
    State("answer-foreign", _refused_answer(422), _status_error(422, FEEDBACK)),
    State("answer-busy", _refused_answer(429), _status_error(429, FEEDBACK)),
    State("answer-unavailable", _refused_answer(503), _status_error(503, FEEDBACK)),
    State("key", _key, _status_error(401, MODELS)),
    State("key-refused", _wrong_key, _status_error(401, MODELS) * 2),
    State("signed-out", _signed_out, (*_status_error(401), "HEAD /: 401")),
    State("privacy", _privacy),
    State("many", _batch),
    State("many-file", _file),
    State("many-too-many", _too_many),
    State("many-running", _running),
    State("many-stopped", _stopped, _ABORTED),
    State("many-interrupted", _interrupted, (*_ABORTED, *_status_error(503))),
    State("many-analysed", _analysed),
]
