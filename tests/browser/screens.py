"""The screens and fonts on which nothing may overflow to the right or scroll sideways."""

from typing import NamedTuple

from playwright.sync_api import Page


class Screen(NamedTuple):
    width: int  # CSS pixels
    text: str = "100%"  # of the browser's text size


SCREENS = {
    "320px": Screen(320),  # also what is left of 1280 at 400 %: WCAG 2.2, 1.4.10
    "360px": Screen(360),
    "zoom-200%": Screen(640),  # what is left of 1280
    "text-200%": Screen(1280, "200%"),  # WCAG 2.2, 1.4.4
}

# Every machine has other fonts. Letters half an em further apart are wider than any font's: those of DejaVu Sans Bold,
# the widest that is common, take 0.7 em on average, these more than 0.9 whatever they are made of. What breaks in time
# with them does so with narrower ones. (A style sheet that is made by a script is not asked for by the CSP.)
FONTS = {"own": "", "wide": "* { letter-spacing: 0.5em !important }"}

_SET = """([size, rule]) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rule);
  document.adoptedStyleSheets = [sheet];
  document.documentElement.style.fontSize = size;
}"""
_FIND = """() => {
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const { left, right, width } = one.getBoundingClientRect();
    if (width && right > innerWidth + 0.5 && one.checkVisibility())
      found.push(`${one.tagName} ${one.className} ${left} to ${right}: ${one.textContent.trim().slice(0, 40)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page");
  return found;
}"""


def overflowing(page: Page, screen: Screen, font: str) -> list[str]:
    """Return what overflows the screen to the right. Restores the page afterwards."""
    before = page.viewport_size
    assert before
    page.set_viewport_size({"width": screen.width, "height": 800})
    page.evaluate(_SET, [screen.text, FONTS[font]])
    found: list[str] = page.evaluate(_FIND)
    page.evaluate(_SET, ["", ""])
    page.set_viewport_size(before)
    return found
