"""GET /: the web page, from web/. It calls the API as any other client does."""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import azure.functions as func

from .shared.api import Api, web_route
from .shared.http import ApiResponse

if TYPE_CHECKING:
    from .shared.static_files import File, Folder

WEB = Path(__file__).resolve().parent.parent / "web"


def register(api: Api) -> None:
    site = Site(WEB)
    api.add(web_route("page", "/"), site.page)
    api.add(web_route("web", "/web/{version}/{name}"), site.file)


class Site:
    """index.html and the files that it loads. They are read with the first request for one of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def page(self, request: func.HttpRequest, _: None) -> ApiResponse:
        from .shared import static_files  # imported lazily, here and below: /api/predict must not pay for it

        index, headers = self.index
        return static_files.response(request, index, headers)

    async def file(self, request: func.HttpRequest, _: None) -> ApiResponse:
        from .shared import static_files

        return static_files.response(request, self._folder.find(request), static_files.IMMUTABLE)

    @cached_property
    def _folder(self) -> "Folder":
        from .shared.static_files import Folder

        return Folder(self._path.iterdir())

    @cached_property
    def index(self) -> "tuple[File, dict[str, str]]":
        """index.html, which refers to the other files under cacheable addresses, and its headers."""
        from .shared.static_files import page_headers

        index = self._folder.page("index.html", "web")
        policy = {
            "connect-src": f"'self' {_api_origin(index.content.decode())}".strip(),
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }
        return index, page_headers(policy)


def _api_origin(html: str) -> str:
    """Return scheme and host of the API's address, if the page names one; else an empty string."""
    found = re.search(r'<meta name="buzzguard-api" content="(https?://[^/"]+)', html)
    return found[1] if found else ""
