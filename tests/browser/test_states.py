"""In every state of the page: no axe violation in light or dark, no sideways scrolling, no text in the other
language."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.screens import FONTS, SCREENS, overflowing
from tests.browser.states import STATES, State
from tests.browser.visitor import Visitor
from tests.support.app import App
from tests.support.paths import ROOT

AXE = ROOT / "tools" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
SAME_IN_BOTH = re.compile(r"Buzzguard|Tweet|\d+ tweets")
# Once everything has come to rest. In the dark only colours are different.
RUN_AXE = """async (scheme) => {
  const ends = (one) => one.effect.getComputedTiming().endTime < Infinity;
  await Promise.all(document.getAnimations().filter(ends).map((one) => one.finished));
  return (await axe.run(scheme === "dark" ? { runOnly: "color-contrast" } : {})).violations;
}"""
# What can be seen, and its accessible names; not what people wrote, nor what was announced before.
COLLECT = """() => {
  const words = new Set([document.title]);
  const written = "blockquote, .words [lang], .excerpt, td.tweet > :first-child, #source option, #announcer";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.checkVisibility() && !parent.closest(written)) words.add(walker.currentNode.data.trim());
  }
  for (const name of ["aria-label", "aria-valuetext", "placeholder", "title", "alt"])
    for (const one of document.querySelectorAll(`[${name}]`))
      if (one.checkVisibility()) words.add(one.getAttribute(name));
  const states = Array.from(document.querySelectorAll("[data-state]"), (one) => `${one.id} ${one.dataset.state}`);
  return { words: [...words].filter((text) => /\\p{Letter}/u.test(text)), states };
}"""


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
def visitor(request: pytest.FixtureRequest, browser: Browser, site: App) -> Iterator[Visitor]:
    """A visitor in one state of the page. Tests leave it unchanged."""
    state: State = request.param
    with Visitor(browser, str(site.http.base_url), viewport=DESKTOP) as visitor:
        visitor.context.add_init_script(path=AXE)  # not subject to the page's CSP
        state.reach(visitor)
        yield visitor
        visitor.errors.expect_only(*state.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(visitor: Visitor, scheme: Any) -> None:
    visitor.page.emulate_media(color_scheme=scheme)
    faults = visitor.page.evaluate(RUN_AXE, scheme)
    assert [(fault["id"], node["html"], node["failureSummary"]) for fault in faults for node in fault["nodes"]] == []


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_scrolls_sideways(visitor: Visitor, screen: str, font: str) -> None:
    assert overflowing(visitor.page, SCREENS[screen], font) == []


def test_every_text_is_translated(visitor: Visitor) -> None:
    before = visitor.page.evaluate(COLLECT)
    switch_language(visitor.page)
    after = visitor.page.evaluate(COLLECT)
    switch_language(visitor.page)
    assert after["states"] == before["states"]
    same = set(before["words"]) & set(after["words"])
    assert [text for text in same if not SAME_IN_BOTH.fullmatch(text)] == []


def switch_language(page: Page) -> None:
    switch, html = page.locator("#language"), page.locator("html")
    other = switch.get_attribute("lang")
    assert other
    switch.dispatch_event("click")  # a dialog may cover it
    expect(html).to_have_attribute("lang", other)
