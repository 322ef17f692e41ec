"""Measure what callers can do to another one: six with the dearest calls there are, and 250 on a table that hangs."""

import asyncio
import json
import random
import re
import socket
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.limits import CHAMPION, SICK_STORE_RATIO, STARVATION_RATIO
from benchmarks.measurement import Measurement, percentile, summarise
from benchmarks.over_http import post, serve_app
from benchmarks.processes import Environment
from benchmarks.tweets import tweets
from devhost.azurite import connection_string
from functions.schemas import MAX_TEXT_CHARACTERS, MAX_TEXTS
from sentiment.features import TWEET_WORDS

HOSTILE_CALLERS = 6
STAY_SECONDS = 0.3  # after which every other call of a hostile caller hangs up
FEEDBACK_CALLERS = 250
CALLS = 500  # that are timed, idle and under load each
PAUSE_SECONDS = 0.02  # between them: a person's calls do not follow each other at once

_LIVE = b"GET /api/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Answer(NamedTuple):
    status: int
    retry_after: int  # seconds; 0 if it does not say
    body: bytes


def measure_starvation(environment: Environment, folder: Path) -> Measurement:
    """Compare the 99th percentiles of single tweets, while six callers send the dearest calls and without them."""
    with serve_app({**environment, "MODEL": CHAMPION.name}, folder / "starvation") as port:
        idle, busy = asyncio.run(_starve(port))
    name = f"{HOSTILE_CALLERS} hostile callers: another's single tweet, p99"
    return summarise(
        name, "ms", [percentile(busy, 0.99)], baseline=[percentile(idle, 0.99)], bounded="ratio", limit=STARVATION_RATIO
    )


async def _starve(port: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of single tweets, idle and beside hostile callers."""
    requests = [post("/api/predict", text=text) for text in tweets(CALLS)]
    idle = await time_calls(port, requests)
    bodies = dearest_requests()
    async with running(hostile_caller(port, bodies[i % len(bodies)], i) for i in range(HOSTILE_CALLERS)):
        await asyncio.sleep(1)
        busy = await time_calls(port, requests)
    return idle, busy


def dearest_requests() -> list[bytes]:
    """Return the calls that take longest: as many long texts as a call may have, and one alone, plain and explained."""
    choose = random.Random(0)  # noqa: S311
    words = sorted({word for tweet in tweets(500) for word in tweet.split() if word.isalpha()})
    long = [" ".join(choose.choices(words, k=MAX_TEXT_CHARACTERS))[:MAX_TEXT_CHARACTERS] for _ in range(MAX_TEXTS)]
    alone = " ".join(choose.choices(words, k=TWEET_WORDS))  # in one piece
    emoji = "".join(chr(choose.randrange(0x1F300, 0x1F500)) for _ in range(MAX_TEXT_CHARACTERS))
    return [
        post("/api/predict", texts=long),
        post("/api/predict", texts=long[:6], explain=True),  # at some 30 scorings a text, of 192
        post("/api/predict", text=emoji),
        post("/api/predict", text=alone, explain=True),
    ]


async def hostile_caller(port: int, request: bytes, number: int) -> None:
    """Send the same call for ever. Odd callers wait for each answer, even ones hang up."""
    while True:
        try:
            async with asyncio.timeout(None if number % 2 else STAY_SECONDS):
                await call_once(port, request)
        except TimeoutError:
            pass  # it has hung up, and sends the next


def measure_sick_store(environment: Environment, folder: Path) -> Iterator[Measurement]:
    """Compare the medians of predict and live while 250 callers send feedback to a table that hangs, and without."""
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))
        store.listen()  # the kernel accepts connections, and no answer follows
        down = {"TABLES_CONNECTION_STRING": connection_string(store.getsockname()[1])}
        with serve_app({**environment, **down}, folder / "sick-store") as port:
            measured = asyncio.run(_sicken(port))
    for name, (idle, busy) in measured.items():
        name = f"{FEEDBACK_CALLERS} callers on a hanging table: {name}"
        yield summarise(name, "ms", busy, baseline=idle, bounded="ratio", limit=SICK_STORE_RATIO)


async def _sicken(port: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the milliseconds of predict and live, idle and beside callers of feedback."""
    requests = [request for text in tweets(CALLS) for request in (post("/api/predict", text=text), _LIVE)]
    answer = await call_once(port, post("/api/predict", texts=tweets(MAX_TEXTS)))
    receipts = cycle(prediction["prediction_id"] for prediction in json.loads(answer.body)["predictions"])
    idle = await time_calls(port, requests)
    async with running(feedback_caller(port, next(receipts)) for _ in range(FEEDBACK_CALLERS)):
        busy = await time_calls(port, requests)
    return {name: (idle[i::2], busy[i::2]) for i, name in enumerate(("predict", "live"))}


async def feedback_caller(port: int, receipt: str) -> None:
    """Send feedback again and again. Waits as the answers ask, like the clients in docs/api.md."""
    request = post("/api/feedback", prediction_id=receipt, correct=True)
    while True:
        answer = await call_once(port, request)
        assert answer.status == 503 and answer.retry_after, answer
        await asyncio.sleep(answer.retry_after)


@asynccontextmanager
async def running(callers: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run the callers for the time of the context. Raises what one of them raised."""
    tasks = [asyncio.create_task(caller) for caller in callers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            raise error


async def time_calls(port: int, requests: Sequence[bytes]) -> list[float]:
    """Send the requests one after the other, with pauses; return the milliseconds of each. All must be answered 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    milliseconds = []
    for request in requests:
        await asyncio.sleep(PAUSE_SECONDS)
        start = loop.time()
        writer.write(request)
        answer = await read_answer(reader)
        milliseconds.append((loop.time() - start) * 1e3)
        assert answer.status == 200, answer
    writer.close()
    await writer.wait_closed()
    return milliseconds


async def call_once(port: int, request: bytes) -> Answer:
    """Send a request over a connection of its own. A cancelled call closes it at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await read_answer(reader)
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    retry_after = re.search(rb"(?i)retry-after: (\d+)", head)
    assert length, head
    body = await reader.readexactly(int(length[1]))
    return Answer(int(head[9:12]), int(retry_after[1]) if retry_after else 0, body)
