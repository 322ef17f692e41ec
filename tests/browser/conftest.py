"""A browser for all, and for every test visitors who note whatever is amiss on the page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from devhost.azurite import Azurite
from tests.browser import chromium
from tests.browser.visitor import PATIENCE, Language, Visitor
from tests.support.app import App, StartApp
from tests.support.paths import ROOT

FEEDBACK_TABLE = "browser"

type Visit = Callable[..., Visitor]

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")  # not longer: while Playwright runs, no other test could run an event loop
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
    """The app with a model that knows more than three thousand invented tweets, and a table of its own."""
    return start_app(**settings(azurite))


@pytest.fixture(scope="package")
def guarded(start_app: StartApp, azurite: Azurite) -> App:
    """The same as `site`, for those who have a key."""
    return start_app(**settings(azurite), AUTH_LEVEL="function")


@pytest.fixture
def visit(browser: Browser, site: App) -> Iterator[Visit]:
    """Somebody at the page of `site`, or of another address. After the test they have nothing to complain of."""
    with ExitStack() as stack:
        visitors: list[Visitor] = []

        def visit(language: Language = "en", address: str = "", **context: Any) -> Visitor:
            visitor = Visitor(browser, address or str(site.http.base_url), language, **context)
            visitors.append(stack.enter_context(visitor))
            return visitor

        yield visit
        for visitor in visitors:
            visitor.complaints.settle()
