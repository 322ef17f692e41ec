"""GET /api/docs: the OpenAPI document as a page on which every operation can be tried. Swagger UI shows it."""

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import azure.functions as func

from functions.shared.http import Answer, Problem, for_browsers

if TYPE_CHECKING:
    from functions.shared.static_files import Folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGED = ROOT / "swagger-ui"  # infra/package.py makes this
INSTALLED = ROOT / "tools" / "node_modules" / "swagger-ui-dist"  # npm this
VIEWER = ("swagger-ui-bundle.js", "swagger-ui.css")
PAGE = "docs.html"

blueprint = func.Blueprint()


@for_browsers(blueprint, "/api/docs")
async def docs(request: func.HttpRequest, _: None) -> Answer:
    from functions.shared import static_files  # late, here and below: who asks for a verdict needs none of it

    folder = await asyncio.to_thread(_folder)
    headers = static_files.page_headers({"img-src": "'self' data:"})  # the icons in Swagger UI's style sheet
    return static_files.answer(request, folder.page(PAGE, "docs"), headers)


@for_browsers(blueprint, "/api/docs/{version}/{name}")
async def docs_file(request: func.HttpRequest, _: None) -> Answer:
    from functions.shared import static_files

    folder = await asyncio.to_thread(_folder)
    return static_files.answer(request, folder.find(request), static_files.IMMUTABLE)


@cache
def _folder() -> "Folder":
    """The page and what it is made of. Takes a tenth of a second. Raises Problem if the viewer is not here."""
    from functions.shared.static_files import Folder

    viewer = PACKAGED if PACKAGED.exists() else INSTALLED
    if not viewer.exists():
        detail = "The viewer is not installed: npm ci --prefix tools. What it shows is at /api/openapi.json."
        raise Problem(404, "Not found", detail)
    ours = [HERE / PAGE, HERE / "docs.css", HERE / "docs.js", ROOT / "web" / "favicon.svg"]
    return Folder(ours + [viewer / name for name in VIEWER])
