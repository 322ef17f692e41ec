"""`python3 infra/smoke.py URL ZIP`: does the app at URL predict, with the model of the package ZIP?

From the environment: MODEL, where it overrules the champion of the package, and FUNCTION_KEY, where callers need one.
Needs no package, so that any Python 3 can run it.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import zipfile
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
    model = shipped(package, os.environ.get("MODEL", "").strip())
    wait(url, model, PATIENCE)
    predict(url, model, os.environ.get("FUNCTION_KEY", "").strip())
    print(f"{url} predicts with {model['name']} {model['version']}")


def shipped(package: str, name: str) -> dict[str, str]:
    """Name and version of the model that the app in a package serves: `name`, or the champion."""
    with zipfile.ZipFile(package) as archive:
        name = name or json.loads(archive.read("models/registry.json"))["champion"]
        manifest = json.loads(archive.read(f"models/{name}/manifest.json"))
    return {key: manifest[key] for key in ("name", "version")}


def wait(url: str, model: dict[str, str], patience: float) -> None:
    """Returns once the app is ready with `model`. Raises SystemExit with its last answer after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        status, answer = ask(f"{url}/api/health/ready")
        if status == 200 and answer.get("model") == model:
            return
        if time.monotonic() > end:
            raise SystemExit(f"{url} is not ready with {model}: {status} {answer}")
        time.sleep(PAUSE)


def predict(url: str, model: dict[str, str], key: str) -> None:
    """Raises SystemExit unless the answer is right, and unless whoever has no `key` is refused."""
    body = json.dumps({"texts": list(TEXTS)}).encode()
    status, answer = ask(f"{url}/api/predict", body, key)
    labels = [prediction["label"] for prediction in answer.get("predictions", [])]
    if status != 200 or labels != list(TEXTS.values()) or answer.get("model") != model:
        raise SystemExit(f"{url} does not predict as it should: {status} {answer}")
    if key and (status := ask(f"{url}/api/incidents", b"{}")[0]) != 401:
        raise SystemExit(f"{url} takes incidents from anyone: {status}")


def ask(url: str, body: bytes | None = None, key: str = "") -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer; 0 and the fault where there is none."""
    headers = {"content-type": "application/json"} | ({"x-functions-key": key} if key else {})
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - main lets only http and https pass
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.status, _object(response.read())
    except urllib.error.HTTPError as error:
        return error.code, _object(error.read())
    except OSError as error:
        return 0, {"fault": str(error)}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"body": body[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"body": found}


if __name__ == "__main__":
    main()
