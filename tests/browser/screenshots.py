"""`make screenshots`: draw every state of the page into build/screenshots, and two of them for the README.

Not a test: pytest runs it only by name, for its fixtures.
"""

import io
import json
from itertools import product

import pytest
from PIL import Image
from playwright.sync_api import Browser, ViewportSize

from devhost.azurite import Azurite
from tests.browser.states import STATES, State
from tests.browser.visitor import LOCALES, Language, Visitor
from tests.support.app import App, StartApp
from tests.support.paths import ROOT

FOLDER = ROOT / "build" / "screenshots"
IMAGES = ROOT / "docs" / "images"
WIDTHS: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 740}}

# No caret, and a new font size, because Chromium may place lines a pixel off in a size
# that it opened before it knew the screen's resolution.
MAKE_REPRODUCIBLE = """() => {
  document.activeElement.blur();
  document.documentElement.style.fontSize = "100.02%";
}"""


@pytest.fixture(scope="module")
def champion(start_app: StartApp, azurite: Azurite) -> App:
    """The app with the champion, as deployed."""
    name = json.loads((ROOT / "models" / "registry.json").read_text())["champion"]
    return start_app(MODEL=str(ROOT / "models" / name), TABLES_CONNECTION_STRING=azurite.connection_string)


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_draw(browser: Browser, champion: App, state: State, language: Language) -> None:
    with Visitor(browser, str(champion.http.base_url), language) as visitor:
        state.reach(visitor)
        for scheme, (width, size) in product(("light", "dark"), WIDTHS.items()):
            visitor.page.emulate_media(color_scheme=scheme)
            visitor.page.set_viewport_size(size)
            visitor.page.screenshot(path=FOLDER / f"{state.name}-{language}-{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize(
    ("name", "state", "language", "scheme", "width"),
    [("verdict", "hold", "en", "light", 1000), ("telephone", "publish", "fr", "dark", 390)],
)
def test_draw_for_the_readme(
    browser: Browser, champion: App, name: str, state: str, language: Language, scheme: str, width: int
) -> None:
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 700}, "device_scale_factor": 2}
    with Visitor(browser, str(champion.http.base_url), language, **look) as visitor:
        next(one for one in STATES if one.name == state).reach(visitor)
        visitor.page.evaluate(MAKE_REPRODUCIBLE)
        shot = Image.open(io.BytesIO(visitor.page.screenshot(full_page=True)))
    shot.convert("RGB").save(IMAGES / f"{name}.webp", lossless=True, method=6)  # a third of a PNG
