"""The page's weight, its calls, and how it shows unusual tweets."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.states import PREDICT, PUBLISH, VERDICTS
from tests.browser.visitor import WEB
from tests.support.app import App

MAX_PAGE_BYTES = 60_000

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)> &lt;b&gt; <b>our crew is lovely</b> {text} $& 🙂"


def test_page_weight_is_within_the_budget(visit: Visit) -> None:
    visitor = visit()
    network = visitor.context.new_cdp_session(visitor.page)
    sizes: list[float] = []
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.send("Network.enable")
    visitor.page.goto("/", wait_until="networkidle")
    assert visitor.calls == ["GET /api/models"]
    assert 10_000 < sum(sizes) < MAX_PAGE_BYTES


def test_every_module_is_preloaded(visit: Visit) -> None:
    """Otherwise each level of imports costs a round trip."""
    visitor = visit()
    visitor.open()
    loaded = visitor.page.evaluate("() => performance.getEntriesByType('resource').map((entry) => entry.name)")
    announced = visitor.page.evaluate(
        """() => [...document.querySelectorAll("link[rel=modulepreload], script[src]")].map((e) => e.href || e.src)"""
    )
    assert len(announced) > 10 and sorted(name for name in loaded if name.endswith(".js")) == sorted(announced)


@pytest.mark.parametrize(
    "sink",
    [
        "document.body.innerHTML = '<b>text</b>'",
        "document.body.outerHTML = '<b>text</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>text</b>')",
        "document.write('<b>text</b>')",
        "document.createRange().createContextualFragment('<b>text</b>')",
        "document.createElement('iframe').srcdoc = '<b>text</b>'",
        "new DOMParser().parseFromString('<b>text</b>', 'text/html')",
        "new Function('1')",
        "eval('1')",
    ],
)
def test_policy_keeps_text_from_becoming_code(visit: Visit, sink: str) -> None:
    visitor = visit()
    visitor.open()
    # In a timer, because the browser lets the debugger itself use eval.
    attempt = f"try {{ {sink}; }} catch (error) {{ document.title = `refused: ${{error.name}}`; }}"
    visitor.page.evaluate(f"() => {{ setTimeout(() => {{ {attempt} }}) }}")
    expect(visitor.page).to_have_title(re.compile("refused: (TypeError|EvalError)"))
    visitor.errors.expect_only("CSP: ", "Trusted|trusted|unsafe-eval")


def test_verdict_takes_one_call(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto("/", wait_until="networkidle")
    before = len(visitor.calls)
    requests: list[str] = []
    visitor.page.on("request", lambda request: requests.append(request.url))
    visitor.analyse(PUBLISH)
    assert visitor.calls[before:] == [f"POST {PREDICT}"]
    assert len(requests) == 1


@pytest.mark.parametrize(("decision", "text"), VERDICTS.items())
def test_verdict_shows_decision_and_reasons(visit: Visit, decision: str, text: str) -> None:
    visitor = visit()
    visitor.open()
    visitor.analyse(text)
    expect(visitor.verdict).to_have_attribute("data-decision", decision)
    words = visitor.words(f"verdict.{decision}"), visitor.words(f"verdict.{decision}.text")
    expect(visitor.verdict.get_by_role("heading", name=words[0], exact=True)).to_be_visible()
    expect(visitor.page.get_by_role("status")).to_contain_text(". ".join(words))
    meter = visitor.verdict.get_by_role("meter", name=visitor.words("scale.label"))
    expect(meter).to_have_attribute("data-thresholds", "known")
    at = float(meter.get_attribute("aria-valuenow") or "")
    assert {"publish": at > 0.8, "review": 0.2 < at < 0.8, "hold": at < 0.2}[decision]
    expect(visitor.verdict.locator("blockquote")).to_have_text(text)


def test_markup_in_a_tweet_is_shown_as_text(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    visitor.analyse(SCRIPT)
    assert visitor.verdict.locator("blockquote").inner_text() == SCRIPT
    assert "lovely" in visitor.verdict.locator("mark").all_inner_texts()  # also after an emoji
    visitor.press("feedback.next")
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    visitor.lines.fill(SCRIPT)
    visitor.press("many.analyse")
    expect(visitor.batch.get_by_role("button", name=SCRIPT)).to_be_visible()
    assert visitor.page.locator("script").count() == 1
    assert visitor.page.locator("img").count() == 0


def test_marks_cover_the_explained_words(visit: Visit) -> None:
    """The API counts code points, JavaScript UTF-16 units."""
    visitor = visit()
    visitor.open()
    visitor.analyse("🙂🙂🙂 𝓌𝑜𝓌 we love it, and we hate to leave 👨‍👩‍👧")
    marks = {way: visitor.verdict.locator(f"mark.{way}").all_inner_texts() for way in ("positive", "negative")}
    assert "love" in marks["positive"]
    assert "hate" in marks["negative"]


def test_right_to_left_text_keeps_its_direction(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.analyse("أحب طاقم الطائرة!")
    shown = [visitor.box, visitor.verdict.locator("blockquote"), visitor.page.locator(".history .excerpt")]
    visitor.page.get_by_role("tab", name=visitor.words("tabs.many")).click()
    visitor.lines.fill("أحب طاقم الطائرة!")
    visitor.press("many.analyse")
    expect(visitor.batch.get_by_role("row")).to_have_count(2)
    for place in [*shown, visitor.lines, visitor.batch.locator("td.tweet span")]:
        assert place.evaluate("(element) => getComputedStyle(element).direction") == "rtl"


def test_page_on_another_host_calls_its_configured_api(visit: Visit, site: App) -> None:
    """The page as files on a static host. The host's default CORS setting allows 127.0.0.1:3000."""
    api, elsewhere = str(site.http.base_url), "http://127.0.0.1:3000"
    meta = '<meta name="buzzguard-api" content="{}">'
    index = (WEB / "index.html").read_text().replace(meta.format(""), meta.format(api))
    visitor = visit(address=elsewhere, permissions=["local-network-access"])

    def serve(route: Route) -> None:
        name = urlsplit(route.request.url).path.removeprefix("/air/")
        if name:
            route.fulfill(path=WEB / name)
        else:
            route.fulfill(body=index, content_type="text/html")

    visitor.context.route(f"{elsewhere}/**", serve)
    visitor.open("/air/")
    visitor.analyse(PUBLISH)
    expect(visitor.verdict.locator("[data-thresholds=known]")).to_be_visible()
    visitor.press("feedback.yes")
    visitor.press("feedback.send")
    visitor.press("feedback.undo")
    expect(visitor.page.locator(".undone")).to_be_visible()
    assert visitor.calls[:3] == ["GET /api/models", "POST /api/predict", "POST /api/feedback"]
    visitor.errors.expect_only(*[f"goes elsewhere: {api}/api/"] * 4)


def test_counter_counts_as_x_does(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    for text, count in [
        ("", 0),
        ("abc", 3),
        ("🙂", 2),
        ("日本", 4),
        ("see https://example.org/a-very-long-address", 27),
    ]:
        visitor.box.fill(text)
        expect(visitor.page.locator("#count")).to_contain_text(visitor.words("one.count", n=count, most=280))


def test_language_is_remembered(visit: Visit) -> None:
    visitor = visit("fr")
    visitor.open()
    visitor.press("language")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    visitor.language = "en"
    visitor.open()


def test_history_stays_in_the_tab_and_can_be_cleared(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    for text in VERDICTS.values():
        visitor.analyse(text)
    history = visitor.page.get_by_role("region", name=visitor.words("history.title"))
    expect(history.get_by_role("listitem")).to_have_count(3)
    history.get_by_role("button", name=VERDICTS["publish"]).click()
    expect(visitor.verdict).to_have_attribute("data-decision", "publish")
    expect(visitor.box).to_have_value(VERDICTS["publish"])
    assert VERDICTS["hold"] not in str(visitor.context.storage_state())  # which holds what survives the tab
    visitor.press("history.clear")
    expect(history).to_be_hidden()
    assert VERDICTS["hold"] not in visitor.page.evaluate("JSON.stringify(sessionStorage)")
