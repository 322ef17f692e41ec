"""GET /api/docs: the OpenAPI document as a page on which every operation can be tried. Swagger UI renders it."""

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import azure.functions as func

from functions.shared.api import Api, web_route
from functions.shared.http import ApiResponse
from functions.shared.problems import NOT_FOUND, Problem

if TYPE_CHECKING:
    from functions.shared.static_files import Folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGED = ROOT / "swagger-ui"  # in the package: made by infra/package.py
INSTALLED = ROOT / "tools" / "node_modules" / "swagger-ui-dist"  # in a checkout: made by npm
VIEWER = ("swagger-ui-bundle.js", "swagger-ui.css")
PAGE = "docs.html"


def register(api: Api) -> None:
    api.add(web_route("docs", "/api/docs"), docs)
    api.add(web_route("docs_file", "/api/docs/{version}/{name}"), docs_file)


async def docs(request: func.HttpRequest, _: None) -> ApiResponse:
    from functions.shared import static_files  # imported lazily, here and below: /api/predict must not pay for it

    folder = await asyncio.to_thread(_folder)
    headers = static_files.page_headers({"img-src": "'self' data:"})  # Swagger UI's style sheet has icons as data URLs
    return static_files.response(request, folder.page(PAGE, "docs"), headers)


async def docs_file(request: func.HttpRequest, _: None) -> ApiResponse:
    from functions.shared import static_files

    folder = await asyncio.to_thread(_folder)
    return static_files.response(request, folder.find(request), static_files.IMMUTABLE)


@cache
def _folder() -> "Folder":
    """Read the page and the files that it loads, in 0.1 s. Raises Problem if Swagger UI is not installed."""
    from functions.shared.static_files import Folder

    viewer = PACKAGED if PACKAGED.exists() else INSTALLED
    if not viewer.exists():
        detail = "The viewer is not installed: npm ci --prefix tools. What it shows is at /api/openapi.json."
        raise Problem(NOT_FOUND, detail)
    own = [HERE / PAGE, HERE / "docs.css", HERE / "docs.js", ROOT / "web" / "favicon.svg"]
    return Folder(own + [viewer / name for name in VIEWER])
