"""The page behind App Service's sign-in: it asks for no key and loses nothing when a session ends."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.browser.conftest import Visit
from tests.browser.server import serving
from tests.browser.states import FEEDBACK, HOLD, PREDICT
from tests.browser.visitor import LOCALES, Language, Visitor
from tests.infra.option_policies import ANONYMOUS_PATHS
from tests.support.app import App

type Refusal = Literal["RedirectToLoginPage", "Return401"]

COOKIE = "AppServiceAuthSession"
ENTRA = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize"
HOP_BY_HOP_HEADERS = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}


class SignIn:
    """App Service authentication in front of an app, as a browser sees it; this Entra ID signs everybody in.

    A request without a session is redirected to Entra ID, which no script may read, or gets 401, as `refusal` says. A
    POST with a session but without Origin or Referer gets 403, against forged requests. Sources:
    https://learn.microsoft.com/azure/app-service/configure-authentication-customize-sign-in-out
    https://learn.microsoft.com/azure/app-service/overview-authentication-authorization
    (Cross-site request forgery mitigation); the Referer: https://github.com/voxel51/fiftyone/issues/4539.
    """

    def __init__(self, app: httpx.Client) -> None:
        self.refusal: Refusal = "RedirectToLoginPage"
        self.sessions: set[str] = set()
        self._app = app
        methods = ["GET", "HEAD", "POST", "DELETE"]
        self.routes = [
            Route("/.auth/login/aad", self._login),
            Route("/.auth/login/done", self._done),
            Route("/{path:path}", self._guard, methods=methods),
        ]

    async def _login(self, request: Request) -> Response:
        session = secrets.token_urlsafe()
        self.sessions.add(session)
        answer = RedirectResponse(request.query_params.get("post_login_redirect_uri", "/.auth/login/done"), 302)
        answer.set_cookie(COOKIE, session, httponly=True)
        return answer

    async def _done(self, request: Request) -> Response:
        return HTMLResponse('<!doctype html><link rel="icon" href="data:,"><h1>You have successfully signed in</h1>')

    async def _guard(self, request: Request) -> Response:
        if request.url.path not in ANONYMOUS_PATHS:
            if request.cookies.get(COOKIE) not in self.sessions:
                return self._refuse(request)
            if request.method == "POST" and not all(name in request.headers for name in ("origin", "referer")):
                return Response(status_code=403)
        return await self._forward(request)

    def _refuse(self, request: Request) -> Response:
        if self.refusal == "RedirectToLoginPage":
            return RedirectResponse(ENTRA, 302)
        return Response(status_code=401, headers={"www-authenticate": f'Bearer realm="{request.url.hostname}"'})

    async def _forward(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP_HEADERS}
        body = await request.body() or None
        answer = await asyncio.to_thread(
            self._app.request, request.method, request.url.path, headers=headers, content=body
        )
        passed = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP_HEADERS}
        return Response(answer.content, answer.status_code, passed)


@pytest.fixture
def sign_in(site: App) -> SignIn:
    return SignIn(site.http)


@pytest.fixture
def address(sign_in: SignIn) -> Iterator[str]:
    with serving(Starlette(routes=sign_in.routes)) as address:
        yield address


def arrive(visit: Visit, address: str, language: Language = "en") -> Visitor:
    """Sign in and open the page."""
    visitor = visit(language, address)
    visitor.open("/.auth/login/aad?post_login_redirect_uri=/")
    return visitor


def sign_in_again(visitor: Visitor) -> None:
    with visitor.context.expect_page() as opened:
        visitor.page.get_by_role("link", name=visitor.words("problem.signin.link")).click()
    expect(opened.value.get_by_role("heading", name="You have successfully signed in")).to_be_visible()
    opened.value.close()


def test_signed_in_user_needs_no_key(visit: Visit, address: str) -> None:
    visitor = arrive(visit, address)
    visitor.analyse(HOLD)
    visitor.press("feedback.yes")
    visitor.press("feedback.send")
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanks"))).to_be_visible()
    visitor.press("feedback.undo")
    expect(visitor.page.get_by_text(visitor.words("feedback.undone")).first).to_be_visible()
    expect(visitor.page.get_by_label(visitor.words("key.label"))).to_be_hidden()


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("refusal", ["RedirectToLoginPage", "Return401"])
def test_expired_session_loses_no_text(
    visit: Visit, sign_in: SignIn, address: str, refusal: Refusal, language: Language
) -> None:
    visitor = arrive(visit, address, language)
    visitor.box.fill(HOLD)
    sign_in.refusal = refusal
    sign_in.sessions.clear()
    visitor.press("one.analyse")
    expect(visitor.verdict.get_by_role("alert")).to_contain_text(visitor.words("problem.signin"))
    expect(visitor.page.get_by_label(visitor.words("key.label"))).to_be_hidden()
    sign_in_again(visitor)
    expect(visitor.box).to_have_value(HOLD)
    visitor.press("problem.again")
    visitor.expect_state("verdict")
    visitor.errors.expect_only(*refused(refusal, PREDICT))


def test_pending_feedback_is_sent_after_sign_in(visit: Visit, sign_in: SignIn, address: str) -> None:
    visitor = arrive(visit, address)
    visitor.analyse(HOLD)
    visitor.press("feedback.no")
    visitor.page.get_by_label(visitor.words("feedback.comment")).fill("It is a joke among regulars")
    sign_in.sessions.clear()
    visitor.press("feedback.send")
    sign_in_again(visitor)
    with visitor.page.expect_request(f"**{FEEDBACK}") as sent:
        visitor.press("problem.again")
    assert sent.value.post_data_json["comment"] == "It is a joke among regulars"
    expect(visitor.page.get_by_role("heading", name=visitor.words("feedback.thanksWrong"))).to_be_visible()
    visitor.errors.expect_only(*refused("RedirectToLoginPage", FEEDBACK))


def refused(refusal: Refusal, path: str) -> list[str]:
    """Return what the browser logs of a refusal; for a redirect, the target that it does not follow."""
    if refusal == "Return401":
        return [f"POST {path}: 401", "HEAD /: 401"]
    return [f"goes elsewhere: {ENTRA}", "authorize: net::ERR_ABORTED"]
