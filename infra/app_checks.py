"""Check a running app over HTTP: it is ready, it predicts, and only alerts can report incidents.

Each check raises SystemExit with the app's last response if it fails. Standard library only.
"""

import json
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any

from infra import retry
from infra.release import Release

REQUEST_TIMEOUT_SECONDS = 60
EXPECTED_LABELS = {
    "I love this company the experience was great !": "positive",
    "my flight was cancelled and nobody answers, worst airline ever": "negative",
}


def wait_until_ready(url: str, release: Release) -> None:
    """Return once the app reports that it is ready with `release`. Gives up after retry.TIMEOUT_SECONDS."""
    for _ in retry.attempts():
        status, body = request(f"{url}/api/health/ready")
        if status == 200 and release.items() <= body.items():
            return
    raise SystemExit(f"{url} is not ready with {release}: {status} {body}")


def check_incidents_are_closed(url: str, key: str = "") -> None:
    """Check that `key`, which opens /api/predict, does not open /api/incidents: that takes a secret of its own."""
    status, body = request(f"{url}/api/incidents", b"{}", key)
    if status != 401:
        raise SystemExit(f"{url} accepts incidents without their key: {status} {body}")


def check_predictions(url: str, release: Release, key: str = "") -> None:
    """Check that the app labels two clear texts correctly with the model of `release`."""
    status, body = request_predictions(url, key)
    labels = [prediction["label"] for prediction in body.get("predictions", [])]
    if status != 200 or labels != list(EXPECTED_LABELS.values()) or body.get("model") != release["model"]:
        raise SystemExit(f"{url} does not predict as it should: {status} {body}")
    print(f"{url} predicts with {release}")


def request_predictions(url: str, key: str = "") -> tuple[int, dict[str, Any]]:
    return request(f"{url}/api/predict", json.dumps({"texts": list(EXPECTED_LABELS)}).encode(), key)


class _KeepEveryResponse(urllib.request.HTTPErrorProcessor):
    """Return errors and redirects as they are: a refusal and a redirect to the sign-in page are results here."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response


_opener = urllib.request.build_opener(_KeepEveryResponse)


def request(url: str, body: bytes | None = None, key: str = "") -> tuple[int, dict[str, Any]]:
    """GET, or POST `body`. Return status and JSON object; (0, {"fault": …}) if no complete response arrives."""
    headers = {"content-type": "application/json"} | ({"x-functions-key": key} if key else {})
    outgoing = urllib.request.Request(url, body, headers)  # noqa: S310 - the commands accept only http and https
    try:
        with _opener.open(outgoing, timeout=REQUEST_TIMEOUT_SECONDS) as response:
            return response.status, _json_object(response.read())
    except (OSError, HTTPException) as error:
        return 0, {"fault": repr(error)}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        return {"body": body[:200].decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {"body": decoded}
