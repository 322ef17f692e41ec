"""The screens and fonts on which nothing may overflow to the right or scroll sideways."""

from typing import NamedTuple

from playwright.sync_api import Page


class Screen(NamedTuple):
    width: int  # CSS pixels
    text: str = "100%"  # of the browser's text size


SCREENS = {
    "320px": Screen(320),  # also a width of 1280 at 400 % zoom: WCAG 2.2, 1.4.10
    "360px": Screen(360),
    "zoom-200%": Screen(640),  # a width of 1280 at 200 % zoom
    "text-200%": Screen(1280, "200%"),  # WCAG 2.2, 1.4.4
}

# Fonts differ between machines. With half an em of letter spacing, text is wider than in any common font: DejaVu Sans
# Bold takes 0.7 em per letter, this more than 0.9. (The CSP does not apply to style sheets that a script constructs.)
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
