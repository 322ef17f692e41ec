"""The Python and JavaScript programs in the documents do and print what the documents say."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.docs.examples import EXAMPLES, check_output, program, run_code, run_program
from tests.support.app import App
from tests.support.http_server import serve_http

PROGRAMS = sorted({(example.document, example.language) for example in EXAMPLES if example.language != "sh"})

type Response = tuple[int, dict[str, str], bytes]  # status, headers, body


@pytest.mark.parametrize(("document", "language"), PROGRAMS)
def test_programs_print_what_the_document_says(document: str, language: str, served: App) -> None:
    parts = program(document, language)
    outputs = run_program(parts, language, str(served.http.base_url).rstrip("/"))
    for example, output in zip(parts, outputs, strict=True):
        if example.output is None:
            assert output == "", f"{example.place} does not say that it prints {output}"
        check_output(example, output)


@contextmanager
def scripted_server(responses: list[Response]) -> Iterator[str]:
    """Serve `responses` one after the other, removing each from the list; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = responses.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serve_http(Handler) as address:
        yield address


BUSY = (429, {"retry-after": "90"}, b"")
AWAY = (502, {"retry-after": "Sun, 22 Nov 2026 18:00:00 GMT"}, b"<title>Bad gateway</title>")
DOWN = (503, {"content-type": "application/problem+json"}, b'{"title": "Down"}')
# Call, and print the seconds of each wait instead of waiting.
CALL = {
    "python": """
time.sleep = print
try:
    print(call("GET", "/"))
except Refused as refused:
    print(refused.status, *refused.problem.values())
""",
    "javascript": """
const start = setTimeout;
globalThis.setTimeout = (proceed, milliseconds, ...more) => {
  if (milliseconds < 2000) return start(proceed, milliseconds, ...more); // inside of fetch
  console.log(milliseconds / 1000);
  proceed();
};
try {
  console.log(await call("GET", "/"));
} catch (refused) {
  console.log(refused.status, ...Object.values(refused.problem));
}
""",
}


@pytest.mark.parametrize("language", ["python", "javascript"])
@pytest.mark.parametrize(
    ("responses", "printed", "unused"),
    [
        ([BUSY, AWAY, DOWN, (200, {}, b"7")], "90\n2\n2\n7\n", 0),
        ([(401, {}, b""), BUSY], "401\n", 1),
        ([DOWN, BUSY, AWAY, DOWN, BUSY], "2\n90\n2\n503 Down\n", 1),
    ],
)
def test_documented_clients_retry_after_the_time_they_are_asked_to_wait(
    language: str, responses: list[Response], printed: str, unused: int
) -> None:
    client = program("docs/api.md", language)[0]
    left = list(responses)
    with scripted_server(left) as address:
        assert run_code(language, client.code + CALL[language], address) == printed
    assert len(left) == unused
