"""A visitor of the page, in a fresh browser context that records every error."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

type Language = Literal["en", "fr"]

LOCALES: dict[Language, str] = {"en": "en-GB", "fr": "fr-FR"}
_SINGULAR: dict[Language, tuple[int, ...]] = {"en": (1,), "fr": (0, 1)}
WEB = Path(__file__).parents[2] / "web"
TIMEOUT_MS = 20_000
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.effectiveDirective}: ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`))
"""


class PageErrors:
    """Console errors, uncaught exceptions, CSP violations; requests that failed, left the origin or got an error
    status."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._context = context
        self._origin = urlsplit(address)[:2]
        self._found: list[str] = []
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._found.append(f"uncaught: {error.error}"))
        context.on("request", self._on_request)
        context.on("requestfailed", lambda request: self._found.append(f"{_name(request)}: {request.failure}"))
        context.on("response", self._on_response)

    def expect_only(self, *expected: str) -> None:
        """Assert that the recorded errors match these patterns, one each, in any order."""
        for page in self._context.pages:
            page.evaluate("null")  # a round trip: earlier events have arrived then
        found, self._found = self._found, []
        for pattern in expected:
            match = next((error for error in found if re.search(pattern, error)), None)
            assert match is not None, f"nothing like {pattern!r} was noted, only {found}"
            found.remove(match)
        assert not found, found

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self._found.append(f"console: {message.text}")  # recorded by _on_response, with more detail

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address[:2] != self._origin and address.scheme not in ("data", "blob"):
            self._found.append(f"{_name(request)} goes elsewhere: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._found.append(f"{_name(response.request)}: {response.status}")


def _name(request: Request) -> str:
    return f"{request.method} {urlsplit(request.url).path}"


class Visitor:
    """A fresh browser context with one tab, whose locale is `language`."""

    def __init__(self, browser: Browser, address: str, language: Language = "en", **context: Any) -> None:
        self.language = language
        self.context = browser.new_context(
            base_url=address, locale=LOCALES[language], **{"reduced_motion": "reduce", **context}
        )
        self.context.set_default_timeout(TIMEOUT_MS)
        self.errors = PageErrors(self.context, address)
        self.calls: list[str] = []  # of the API: method and path
        self.context.on(
            "request", lambda request: self.calls.append(name) if "/api/" in (name := _name(request)) else None
        )
        self.page: Page = self.context.new_page()
        self.box = self.page.locator("#text")
        self.verdict = self.page.locator("#verdict")
        self.feedback = self.page.locator(".feedback")
        self.batch = self.page.locator("#many")
        self.lines = self.page.locator("#lines")

    def open(self, path: str = "/") -> None:
        self.page.goto(path)
        expect(self.page.get_by_role("main")).to_be_visible()
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def words(self, key: str, **values: object) -> str:
        """Return the page's text for a key in this language, in the plural form for `n`."""
        text = _strings(self.language)[key]
        if isinstance(text, dict):
            text = text["one" if values["n"] in _SINGULAR[self.language] else "other"]
        return re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), text)

    def button(self, key: str, **values: object) -> Locator:
        return self.page.get_by_role("button", name=self.words(key, **values), exact=True)

    def press(self, key: str) -> None:
        self.button(key).click()

    def analyse(self, text: str) -> None:
        """Type a text, submit it with Ctrl+Enter and wait for the verdict."""
        self.box.fill(text)
        self.box.press("Control+Enter")
        self.expect_state("verdict")

    def choose_file(self, name: str, content: bytes) -> None:
        self.page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})

    def expect_state(self, state: str) -> None:
        expect(self.verdict).to_have_attribute("data-state", state)

    def fail(self, path: str, status: int, slug: str = "injected", **headers: str) -> None:
        """Answer every later call of a path with an error. `slug` is the end of its problem type."""
        problem = {
            "type": f"urn:buzzguard:problem:{slug}",
            "title": "Injected",
            "status": status,
            "detail": "This is a test.",
            "instance": "urn:x:1",
        }
        self.page.route(
            f"**{path}",
            lambda route: route.fulfill(
                status=status, headers={"x-request-id": "a1b2c3d4", **headers}, body=json.dumps(problem)
            ),
        )

    def hang(self, path: str) -> None:
        """Leave every later call of a path unanswered."""
        self.page.route(f"**{path}", lambda route: None)

    def mend(self, path: str) -> None:
        """Let the service answer calls of a path again."""
        self.page.unroute(f"**{path}")


@cache
def _strings(language: Language) -> dict[str, Any]:
    words: dict[str, Any] = json.loads((WEB / f"strings.{language}.json").read_text())
    return words
