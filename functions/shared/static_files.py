"""Serve static files: compressed once, cached for good under an address that changes with their content."""

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

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
    etag: str  # weak, since it is the same for the plain and the compressed bytes


def file(name: str, content: bytes) -> File:
    """Return `content` ready to be sent. The suffix of `name` gives its media type."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    compressed = gzip.compress(content, mtime=0)
    return File(content, compressed, TYPES[Path(name).suffix], f'W/"{digest}"')


class Folder:
    """Files that are read once. `version` changes when one of them does."""

    def __init__(self, paths: Iterable[Path]) -> None:
        found = sorted((path for path in paths if path.suffix in TYPES), key=lambda path: path.name)
        contents = {path.name: path.read_bytes() for path in found}
        digest = hashlib.sha256()
        for name, content in contents.items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        self.version = digest.hexdigest()[:16]
        self.files = {name: file(name, content) for name, content in contents.items()}

    def page(self, name: str, base: str) -> File:
        """Return the HTML file `name`, in which references to the other files point below `base` and are cacheable."""
        html = self.files[name].content.decode()
        others = "|".join(re.escape(other) for other in self.files if other != name)
        html = re.sub(f'(href|src)="({others})"', rf'\1="{base}/{self.version}/\2"', html)
        return file(name, html.encode())

    def find(self, request: func.HttpRequest) -> File:
        """Return the file of a route that ends in `{version}/{name}`. Raises Problem if there is none.

        A page is not found here: it has an address of its own.
        """
        name, version = request.route_params["name"], request.route_params["version"]
        found = self.files.get(name)
        if found is None or name.endswith(".html") or version != self.version:
            raise Problem(NOT_FOUND, f"There is no file {name!r} of version {version!r}.")
        return found


def page_headers(policy: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a page. `policy` adds to the strict content security policy, or replaces parts of it."""
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
        "Cache-Control": "no-cache",  # cached, and revalidated each time
        "Content-Security-Policy": "; ".join(
            f"{directive} {sources}" for directive, sources in (strict | {**policy}).items()
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",  # App Service authentication rejects a browser's POST without a Referer
        "X-Content-Type-Options": "nosniff",
    }


def response(request: func.HttpRequest, found: File, headers: Mapping[str, str]) -> ApiResponse:
    """Return the file, compressed if the request accepts that, or 304 if the browser has it already."""
    headers = {**headers, "ETag": found.etag, "Vary": "Accept-Encoding"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {found.etag.removeprefix("W/"), "*"}:
        return ApiResponse(304, headers=headers)
    headers["Content-Type"] = found.media_type
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return ApiResponse(200, found.compressed, {**headers, "Content-Encoding": "gzip"})
    return ApiResponse(200, found.content, headers)


def accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header accepts gzip and does not prefer uncompressed content."""
    weights = dict(map(_coding_and_weight, accepted.lower().split(",")))
    gzipped = weights.get("gzip", weights.get("*", 0.0))
    return gzipped > 0 and gzipped >= weights.get("identity", 0.0)


def _coding_and_weight(coding: str) -> tuple[str, float]:
    """Split `gzip;q=0.5` into name and weight. An invalid weight counts as 0."""
    name, _, parameter = coding.partition(";")
    _, _, weight = parameter.partition("=")
    try:
        return name.strip(), float(weight or 1)
    except ValueError:
        return name.strip(), 0.0
