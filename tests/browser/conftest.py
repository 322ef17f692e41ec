"""One browser for all tests, and visitors that record every error on the page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from devhost.azurite import Azurite
from tests.browser import chromium
from tests.browser.visitor import TIMEOUT_MS, Language, Visitor
from tests.support.app import App, StartApp
from tests.support.paths import ROOT

FEEDBACK_TABLE = "browser"

type Visit = Callable[..., Visitor]

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="package")  # no longer: Playwright blocks the event loops of other tests
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium.launch(playwright.chromium) as browser:
        yield browser


def settings(azurite: Azurite) -> dict[str, str]:
    return {
        "MODEL": str(ROOT / "models" / "lite"),
        "TABLES_CONNECTION_STRING": azurite.connection_string,
        "FEEDBACK_TABLE": FEEDBACK_TABLE,
    }


@pytest.fixture(scope="package")
def site(start_app: StartApp, azurite: Azurite) -> App:
    """The app with the lite model and its own table."""
    return start_app(**settings(azurite))


@pytest.fixture(scope="package")
def site_with_key(start_app: StartApp, azurite: Azurite) -> App:
    """The app behind a function key."""
    return start_app(**settings(azurite), AUTH_LEVEL="function")


@pytest.fixture
def visit(browser: Browser, site: App) -> Iterator[Visit]:
    """Open the page of `site` or of another address. After the test no unexpected error may be left."""
    with ExitStack() as stack:
        visitors: list[Visitor] = []

        def visit(language: Language = "en", address: str = "", **context: Any) -> Visitor:
            visitor = Visitor(browser, address or str(site.http.base_url), language, **context)
            visitors.append(stack.enter_context(visitor))
            return visitor

        yield visit
        for visitor in visitors:
            visitor.errors.expect_only()
