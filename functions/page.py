"""GET /: the page for people, in web/. It talks to the API as any other caller does."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import azure.functions as func

from .shared.http import Answer, for_browsers

if TYPE_CHECKING:
    from .shared.static_files import File, Folder

WEB = Path(__file__).resolve().parent.parent / "web"
INDEX = "index.html"

blueprint = func.Blueprint()


@for_browsers(blueprint, "/")
async def page(request: func.HttpRequest, _: None) -> Answer:
    from .shared import static_files  # late, here and below: who asks for a verdict needs none of it

    index, headers = _index()
    return static_files.answer(request, index, headers)


@for_browsers(blueprint, "/web/{version}/{name}")
async def web(request: func.HttpRequest, _: None) -> Answer:
    from .shared import static_files

    return static_files.answer(request, _web().find(request), static_files.IMMUTABLE)


@cache
def _web() -> "Folder":
    from .shared.static_files import Folder

    return Folder(WEB.iterdir())


@cache
def _index() -> "tuple[File, dict[str, str]]":
    """index.html with the addresses under which the other files may be kept, and what a browser must not let it do."""
    from .shared.static_files import page_headers

    index = _web().page(INDEX, "web")
    policy = {
        "connect-src": f"'self' {_origin_of_the_api(index.content.decode())}".strip(),
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return index, page_headers(policy)


def _origin_of_the_api(html: str) -> str:
    """Where the page finds the API, if it says so: scheme and host, else nothing."""
    found = re.search(r'<meta name="buzzguard-api" content="(https?://[^/"]+)', html)
    return found[1] if found else ""
