"""What is measured in a process of its own: `python -c "from benchmarks.probes import app; app()"`, in the repository's
root, with the app's settings in the environment. Each says one line of JSON on stdout when it is done.

Up here nothing is imported that azure.functions would not import anyway: the floor would pay for it.
"""

import gc
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devhost.host.runtime import HttpRequest, Runtime

WARM_UP = 1_000  # predictions before the first that is timed; the resident memory is read after them
CALLS = 4_000  # predictions that are timed
OUTAGES = 5  # feedbacks sent to a store that is down

# What is imported on the way to the first prediction. No stage needs anything of a later one, so each costs what it
# brings in itself; devhost, which is not there on Azure, comes last and pays for nothing that the app needs as well.
STAGES = {
    "azure.functions": ["azure.functions"],
    "numpy": ["numpy"],
    "onnxruntime": ["onnxruntime"],
    "azure_functions_runtime": ["azure_functions_runtime.native_invocation"],
    "msgspec, itsdangerous": ["msgspec", "itsdangerous"],
    "sentiment, cloud": [
        "sentiment.model",
        "feedback.receipt",
        "feedback.record",
        "feedback.stores",
        "cloud.settings",
        "cloud.table_storage",
    ],
    "model load (functions.shared.service)": ["functions.shared.service"],
    "functions": ["function_app"],
    "devhost": ["devhost.host.loader"],
}


def floor() -> None:
    """What no app that answers with this model can do without: the interpreter, azure.functions, an open session."""
    import os

    import azure.functions  # noqa: F401
    import onnxruntime

    graph = f"models/{os.environ['MODEL']}/model.onnx"
    onnxruntime.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
    print("null", flush=True)


def session_options() -> Any:
    """Those of `sentiment.model`, which the floor must not import. `benchmarks.serving` checks that they agree."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return options


def app() -> None:
    """The app, from nothing to its first prediction."""
    _measure(_first)


def stages() -> None:
    """`app`, step by step: when each was done, in seconds of the clock that the parent reads too.

    Without the garbage collector, whose pauses (some 20 ms in all) would be charged to whichever stage they fall into.
    """
    gc.disable()
    done = {"interpreter": time.perf_counter()}
    for stage, modules in STAGES.items():
        for module in modules:
            __import__(module)
        done[stage] = time.perf_counter()

    async def rest(runtime: "Runtime") -> dict[str, float]:
        done["indexing"] = time.perf_counter()
        await _first(runtime)
        return done | {"first call": time.perf_counter()}

    _measure(rest)


def calls() -> None:
    """Predictions in one thread: the resident memory in bytes after WARM_UP, then the seconds of each of CALLS."""
    _measure(_calls)


def outage() -> None:
    """Seconds until each of OUTAGES feedbacks is refused with 503. The first also imports the store's SDK."""
    _measure(_outage)


def _measure(measurement: "Callable[[Runtime], Awaitable[Any]]") -> None:
    """Load the app as Azure would, run the measurement on it, say the result."""
    import asyncio
    import json
    from pathlib import Path

    from devhost.host.loader import load_app

    runtime = load_app(Path())

    async def run() -> Any:
        return await measurement(runtime)

    print(json.dumps(asyncio.run(run())), flush=True)


async def _first(runtime: "Runtime") -> None:
    await _answer(runtime, "predict", _call(text="@airparis the crew on my flight to Oslo was lovely , thank you !!"))


async def _calls(runtime: "Runtime") -> dict[str, Any]:
    import psutil  # type: ignore[import-untyped]

    rotation = [_call(text=text) for text in tweets(256)]
    for i in range(WARM_UP):
        await _answer(runtime, "predict", rotation[i % len(rotation)])
    resident = psutil.Process().memory_info().rss
    seconds = [await _seconds(runtime, "predict", rotation[i % len(rotation)]) for i in range(CALLS)]
    return {"resident": resident, "seconds": seconds}


async def _outage(runtime: "Runtime") -> list[float]:
    import json

    predicted = json.loads(await _answer(runtime, "predict", _call(text="the store is down")))
    feedback = _call(prediction_id=predicted["predictions"][0]["prediction_id"], correct=True)
    return [await _seconds(runtime, "feedback", feedback, 503) for _ in range(OUTAGES)]


async def _seconds(runtime: "Runtime", function: str, call: "HttpRequest", status: int = 200) -> float:
    start = time.perf_counter()
    await _answer(runtime, function, call, status)
    return time.perf_counter() - start


async def _answer(runtime: "Runtime", function: str, call: "HttpRequest", status: int = 200) -> bytes:
    reply = await runtime.call_http(function, call)
    if reply.status != status:
        raise SystemExit(f"{function} answered {reply.status}, not {status}: {reply.body.decode()}")
    return reply.body


def _call(**payload: object) -> "HttpRequest":
    """A POST as the host hands it to a function, with the headers that any client sends."""
    import json

    from devhost.host.runtime import HttpRequest

    body = json.dumps(payload).encode()
    headers = {
        "host": "localhost",
        "user-agent": "benchmark",
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return HttpRequest(method="POST", url="http://localhost/", headers=headers, body=body, traceparent=traceparent)


# Six slots, 8⁶ invented tweets of about 20 tokens.
_SLOTS = (
    (
        "@airparis",
        "@nordicrail hello ,",
        "so #cityhotel",
        "dear @brightbank",
        "omg",
        "well ,",
        "hey @coffeehouse",
        "ok",
    ),
    (
        "the crew on my flight to Oslo",
        "the new app on my old phone",
        "your whole team at the front desk",
        "that big breakfast in the lobby",
        "the delivery I waited for all week",
        "the seat by the window of the train",
        "my second order of the same shoes",
        "the lady who answered my call",
    ),
    (
        "was really lovely",
        "was not good at all",
        "made my whole day",
        "is broken once again",
        "felt so wonderful",
        "was just awful today",
        "never fails to please",
        "got cancelled without notice",
    ),
    (
        "and I will come back soon",
        "and nobody could tell me why",
        "but the wait was far too long",
        "just as I had hoped",
        "for the third time this month",
        "though I had expected less",
        "even on a rainy Monday",
        "and my kids agree",
    ),
    ("!!", "...", ", thank you", ", no thanks", "#travel", "?!", ", honestly", "."),
    (":)", ":(", "http://example.org/p", "😀", "<3", "-_-", "xx", "lol"),
)


def tweets(n: int) -> list[str]:
    """n invented English tweets, the same ones every time."""
    import random

    choose = random.Random(0)  # noqa: S311
    return [" ".join(choose.choice(slot) for slot in _SLOTS) for _ in range(n)]
