"""Fakes for the commands of infra/: the Azure CLI, a deployed app, packages and time."""

import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Logs each call. If the command starts with one in answers/, prints the next of its answers; the last one repeats.
AZ = r"""#!/bin/bash
echo "az ${*//$'\n'/ }" >>"$(dirname "$0")/calls"
for known in "$(dirname "$0")"/answers/*/; do
    [[ "$*" == "$(<"$known/command")"* ]] || continue
    answers=("$known"/answer.*)
    answer=$(<"${answers[0]}")
    ((${#answers[@]} == 1)) || rm "${answers[0]}"
    case $answer in
        ERROR:*) echo "$answer" >&2; exit 1 ;;
        FILE:*) [[ "$*" =~ --file\ ([^ ]+) ]] && exec cp "${answer#FILE:}" "${BASH_REMATCH[1]}" ;;
        *) [[ "$*" != *"--output tsv"* ]] || answer=${answer//\"/}
            echo "$answer" ;;
    esac
    exit
done
"""
LABELS = ("positive", "negative")


class FakeAz:
    """A fake `az` in a folder for the PATH. It prints the answers that `answers` sets, and logs every call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "answers").mkdir(parents=True)
        (folder / "az").write_text(AZ)
        (folder / "az").chmod(0o755)

    def answers(self, command: str, *answers: Any) -> None:
        """Answer calls that start with `command`: with JSON, an error (ERROR:…), or a file for --file (FILE:PATH)."""
        known = self.folder / "answers" / str(len(list((self.folder / "answers").iterdir())))
        known.mkdir()
        (known / "command").write_text(command)
        for number, answer in enumerate(answers):
            literal = isinstance(answer, str) and answer.startswith(("ERROR:", "FILE:"))
            (known / f"answer.{number:03}").write_text(answer if literal else json.dumps(answer))

    def calls(self, containing: str = "") -> list[str]:
        file = self.folder / "calls"
        return [call for call in file.read_text().splitlines() if containing in call] if file.exists() else []


class FakeTime:
    """Stands in for the module `time`: sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def write_package(path: Path, build: str | None, *, lists_models: bool = True) -> Path:
    """Write a package with only the files that the commands read: two models and a build id."""
    with zipfile.ZipFile(path, "w") as archive:
        if lists_models:
            archive.writestr("model_digests.json", "{}")
        archive.writestr("models/registry.json", json.dumps({"champion": "champion"}))
        for name in ("champion", "lite"):
            archive.writestr(f"models/{name}/manifest.json", json.dumps({"name": name, "version": "1", "family": "f"}))
        if build:
            archive.writestr("build.json", json.dumps({"build": build}))
    return path


class FakeApp:
    """A Functions app that runs a package (`ready`), or none. It requires `key`, unless that is empty.

    `responses` overrides what it answers at a path: a status, and JSON or bytes.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.ready: dict[str, Any] | None = None
        self.responses: dict[str, tuple[int, Any]] = {}
        self.labels: tuple[str, ...] = LABELS
        self.refusal_status = 401
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.respond(*app.responses.get(self.path, app.get()))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                answer = app.post(self.path, self.headers.get("x-functions-key", ""))
                self.respond(*app.responses.get(self.path, answer))

            def respond(self, status: int, answer: Any) -> None:
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/.auth/login/aad")
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self) -> tuple[int, Any]:
        return (200, self.ready | {"status": "ready"}) if self.ready else (503, {})

    def post(self, path: str, key: str) -> tuple[int, Any]:
        if path == "/api/incidents":
            return 401, {}
        if key != self.key:
            return self.refusal_status, {}
        model = self.ready["model"] if self.ready else None
        return 200, {"predictions": [{"label": label} for label in self.labels], "model": model}
