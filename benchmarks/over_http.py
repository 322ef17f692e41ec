"""Measure throughput and latency of the app behind `python -m devhost`."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.limits import ROOT
from benchmarks.measurement import Measurement, summarise
from benchmarks.processes import Environment
from benchmarks.tweets import tweets

REQUESTS = 2_000  # for each number of connections
CONNECTIONS = (1, 8, 32)


def measure_http(environment: Environment, folder: Path) -> Iterator[Measurement]:
    with serve_app(environment, folder / "app") as port:
        requests = [post("/api/predict", text=text) for text in tweets(REQUESTS)]
        asyncio.run(send_requests(port, requests, CONNECTIONS[-1]))  # warm-up
        for connections in CONNECTIONS:
            start = time.perf_counter()
            latencies = asyncio.run(send_requests(port, requests, connections))
            per_second = len(latencies) / (time.perf_counter() - start)
            name = f"HTTP, {connections} connection{'s' if connections > 1 else ''}"
            yield summarise(f"{name}: throughput", "requests/s", [per_second])
            yield summarise(f"{name}: latency", "ms", [seconds * 1e3 for seconds in latencies])


@contextmanager
def serve_app(environment: Environment, folder: Path) -> Iterator[int]:
    """Run the app in a new `folder`, without the local.settings.json of this checkout; yield its port."""
    folder.mkdir()
    for name in ("function_app.py", "host.json"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "devhost", "--no-tables", "--no-monitoring", "--app", str(folder)]
    with (
        (folder / "log").open("w") as log,  # of outages, with their tracebacks
        subprocess.Popen(
            command, cwd=ROOT, env={**environment, "PORT": "0"}, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout
            address = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            if address is None:
                raise SystemExit(f"devhost did not start: {(folder / 'log').read_text()}")
            yield int(address[1])
        finally:
            process.terminate()


async def send_requests(port: int, requests: Sequence[bytes], connections: int) -> list[float]:
    """Send the requests over that many persistent connections; return the latency of each in seconds.

    Uses bare streams, because a full HTTP client takes more of the cores than the server under test.
    """
    waiting = iter(requests)
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length, head
            assert head.startswith(b"HTTP/1.1 200 "), head
            await reader.readexactly(int(length[1]))
            latencies.append(time.perf_counter() - start)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return latencies


def post(path: str, **payload: object) -> bytes:
    body = json.dumps(payload).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
