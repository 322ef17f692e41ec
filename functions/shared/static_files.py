"""Files as browsers like them: compressed once, under an address that changes with their content, kept for good."""

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import azure.functions as func

from .http import ApiResponse
from .problems import NOT_FOUND, Problem

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class File(NamedTuple):
    content: bytes
    compressed: bytes  # gzip
    media_type: str
    etag: str  # weak: one for both, which differ in bytes only


def file(name: str, content: bytes) -> File:
    """`content` ready to be sent; the ending of `name` says what it is."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    compressed = gzip.compress(content, mtime=0)
    return File(content, compressed, TYPES[Path(name).suffix], f'W/"{digest}"')


class Folder:
    """Files, read once. `version` changes with any of them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        found = sorted((path for path in paths if path.suffix in TYPES), key=lambda path: path.name)
        contents = {path.name: path.read_bytes() for path in found}
        digest = hashlib.sha256()
        for name, content in contents.items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        self.version = digest.hexdigest()[:16]
        self.files = {name: file(name, content) for name, content in contents.items()}

    def page(self, name: str, base: str) -> File:
        """The HTML file `name`; its references to the others lead below `base`, where they may be kept."""
        html = self.files[name].content.decode()
        others = "|".join(re.escape(other) for other in self.files if other != name)
        html = re.sub(f'(href|src)="({others})"', rf'\1="{base}/{self.version}/\2"', html)
        return file(name, html.encode())

    def find(self, request: func.HttpRequest) -> File:
        """What a route that ends in `{version}/{name}` asks for; a page has an address of its own. Raises Problem."""
        name, version = request.route_params["name"], request.route_params["version"]
        found = self.files.get(name)
        if found is None or name.endswith(".html") or version != self.version:
            raise Problem(NOT_FOUND, f"There is nothing at {urlsplit(request.url).path}.")
        return found


def page_headers(policy: Mapping[str, str]) -> dict[str, str]:
    """What goes with a page. `policy` is what its content security policy has beyond, or instead of, the strict one."""
    strict = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Cache-Control": "no-cache",  # kept, and asked about each time
        "Content-Security-Policy": "; ".join(f"{what} {whence}" for what, whence in (strict | {**policy}).items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",  # App Service authentication refuses a browser's POST without a Referer
        "X-Content-Type-Options": "nosniff",
    }


def response(request: func.HttpRequest, found: File, headers: Mapping[str, str]) -> ApiResponse:
    """The file as the request accepts it, or 304 if the browser has it already."""
    headers = {**headers, "ETag": found.etag, "Vary": "Accept-Encoding"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {found.etag.removeprefix("W/"), "*"}:
        return ApiResponse(304, headers=headers)
    headers["Content-Type"] = found.media_type
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return ApiResponse(200, found.compressed, {**headers, "Content-Encoding": "gzip"})
    return ApiResponse(200, found.content, headers)


def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header takes gzip, and likes nothing at all no better."""
    weights = dict(map(_weighed, accepted.lower().split(",")))
    gzipped = weights.get("gzip", weights.get("*", 0.0))
    return gzipped > 0 and gzipped >= weights.get("identity", 0.0)


def _weighed(coding: str) -> tuple[str, float]:
    """`gzip;q=0.5` as a name and a weight; a weight that is no number is none."""
    name, _, parameter = coding.partition(";")
    _, _, weight = parameter.partition("=")
    try:
        return name.strip(), float(weight or 1)
    except ValueError:
        return name.strip(), 0.0
