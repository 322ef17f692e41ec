"""`python3 infra/smoke.py URL ZIP`: does the app at URL predict, as the package ZIP and with its model?

For an app that asks nobody for a key. Needs no package, so that any Python 3 can run it.
"""

import json
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any

PATIENCE = 300.0  # seconds until a new package must answer: instances change one by one, and the first one starts cold
PAUSE = 5.0
TEXTS = {
    "I love this company the experience was great !": "positive",
    "my flight was cancelled and nobody answers, worst airline ever": "negative",
}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    url, package = sys.argv[1].rstrip("/"), sys.argv[2]
    if not url.startswith(("http://", "https://")):
        raise SystemExit(f"not a URL: {url}")
    release = shipped(package, "")
    wait(url, release)
    refuse_incidents(url, "")
    predict(url, release, "")


@contextmanager
def _opened(package: str) -> Iterator[zipfile.ZipFile]:
    """Raises SystemExit where it is no ZIP, or has not in it what is read."""
    try:
        with zipfile.ZipFile(package) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SystemExit(f"{package} is no package: {error.args[-1]}") from error


def build_id(package: str) -> str | None:
    """What infra/package.py wrote into a package; older ones have none."""
    with _opened(package) as archive:
        return json.loads(archive.read("build.json"))["build"] if "build.json" in archive.namelist() else None


def shipped(package: str, name: str) -> dict[str, Any]:
    """What /api/health/ready must tell of a package: its build, and the model `name`, or else its champion."""
    build = build_id(package)
    if build is None:
        raise SystemExit(f"{package} has no build.json, so that nobody could tell whether it is what answers")
    with _opened(package) as archive:
        name = name or json.loads(archive.read("models/registry.json"))["champion"]
        manifest = json.loads(archive.read(f"models/{name}/manifest.json"))
    return {"build": build, "model": {key: manifest[key] for key in ("name", "version")}}


def rounds(patience: float) -> Iterator[None]:
    """One at once, and one after each PAUSE until `patience` seconds are over."""
    end = time.monotonic() + patience
    yield
    while time.monotonic() < end:
        time.sleep(PAUSE)
        yield


def wait(url: str, release: dict[str, Any]) -> None:
    """Returns once the app is ready as `release`. Raises SystemExit with its last answer after PATIENCE."""
    for _ in rounds(PATIENCE):
        status, answer = ask(f"{url}/api/health/ready")
        if status == 200 and release.items() <= answer.items():
            return
    raise SystemExit(f"{url} is not ready with {release}: {status} {answer}")


def refuse_incidents(url: str, key: str) -> None:
    """Raises SystemExit if who may ask for predictions may report incidents, too: that takes a secret of its own."""
    status, answer = ask(f"{url}/api/incidents", b"{}", key)
    if status != 401:
        raise SystemExit(f"{url} takes incidents from anyone: {status} {answer}")


def predict(url: str, release: dict[str, Any], key: str) -> None:
    """Says that the app predicts. Raises SystemExit unless the answer is right."""
    status, answer = ask_for_predictions(url, key)
    labels = [prediction["label"] for prediction in answer.get("predictions", [])]
    if status != 200 or labels != list(TEXTS.values()) or answer.get("model") != release["model"]:
        raise SystemExit(f"{url} does not predict as it should: {status} {answer}")
    print(f"{url} predicts with {release}")


def ask_for_predictions(url: str, key: str) -> tuple[int, dict[str, Any]]:
    return ask(f"{url}/api/predict", json.dumps({"texts": list(TEXTS)}).encode(), key)


class _EveryAnswer(urllib.request.HTTPErrorProcessor):
    """A refusal is an answer, and so is the way to a page to sign in at."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response


_opener = urllib.request.build_opener(_EveryAnswer)


def ask(url: str, body: bytes | None = None, key: str = "") -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer; 0 and the fault where there is none, or not the whole of it."""
    headers = {"content-type": "application/json"} | ({"x-functions-key": key} if key else {})
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - who calls lets only http and https pass
    try:
        with _opener.open(request, timeout=60) as response:
            return response.status, _object(response.read())
    except (OSError, HTTPException) as error:
        return 0, {"fault": repr(error)}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"body": body[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"body": found}


if __name__ == "__main__":
    main()
