"""Probes: what `benchmarks.processes` measures, each in a process of its own.

Run one in the repository's root, with the app's settings in the environment:
python -c "from benchmarks.probes import app; app()". When it is done, it prints one line of JSON.

This module imports at its top only what azure.functions imports anyway. Anything else would add to the floor.
"""

import gc
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devhost.host.runtime import HttpRequest, Runtime

WARM_UP = 1_000  # predictions before those that are timed; the resident memory is read after them
CALLS = 4_000  # predictions that are timed
REFUSALS = 5  # rows of feedback sent while the store is down

# What is imported before the first prediction. No stage imports anything of a later one, so each takes the time of its
# own imports. devhost, which does not exist on Azure, comes last, so it does not pay for what the app imports too.
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
    "functions": ["functions.triggers"],
    "model load (function_app.create_app)": ["function_app"],
    "devhost": ["devhost.host.loader"],
}


def floor() -> None:
    """Open a session and nothing else: the floor of every app with this model."""
    import os

    import azure.functions  # noqa: F401
    import onnxruntime

    graph = f"models/{os.environ['MODEL']}/model.onnx"
    onnxruntime.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
    print("null", flush=True)


def session_options() -> Any:
    """Return the options of `sentiment.model`, which the floor must not import. `check_session_options` compares."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return options


def app() -> None:
    """Load the app and make its first prediction."""
    _run_probe(_predict_once)


def stages() -> None:
    """Do the same as `app`. Print the perf_counter time at which each stage ended; the parent reads the same clock.

    The garbage collector is off: its pauses, some 20 ms in all, would count for whichever stage they fall into.
    """
    gc.disable()
    ends = {"interpreter": time.perf_counter()}
    for stage, modules in STAGES.items():
        for module in modules:
            __import__(module)
        ends[stage] = time.perf_counter()

    async def first_call(runtime: "Runtime") -> dict[str, float]:
        ends["indexing"] = time.perf_counter()
        await _predict_once(runtime)
        return ends | {"first call": time.perf_counter()}

    _run_probe(first_call)


def calls() -> None:
    """Predict in one thread; print the resident memory after WARM_UP calls in bytes, and the seconds of CALLS more."""
    _run_probe(_time_predictions)


def outage() -> None:
    """Send feedback while the store is down; print the seconds until each 503. The first also imports the SDK."""
    _run_probe(_time_refusals)


def _run_probe(probe: "Callable[[Runtime], Awaitable[Any]]") -> None:
    """Load the app as Azure would, run the probe, print its result."""
    import asyncio
    import json
    from pathlib import Path

    from devhost.host.loader import load_app

    runtime = load_app(Path())

    async def run() -> Any:
        return await probe(runtime)

    print(json.dumps(asyncio.run(run())), flush=True)


async def _predict_once(runtime: "Runtime") -> None:
    await _call(runtime, "predict", _post(text="@airparis the crew on my flight to Oslo was lovely , thank you !!"))


async def _time_predictions(runtime: "Runtime") -> dict[str, Any]:
    import psutil  # type: ignore[import-untyped]

    from benchmarks.tweets import tweets

    requests = [_post(text=text) for text in tweets(256)]
    for i in range(WARM_UP):
        await _call(runtime, "predict", requests[i % len(requests)])
    resident = psutil.Process().memory_info().rss
    seconds = [await _time_call(runtime, "predict", requests[i % len(requests)]) for i in range(CALLS)]
    return {"resident": resident, "seconds": seconds}


async def _time_refusals(runtime: "Runtime") -> list[float]:
    import json

    response = json.loads(await _call(runtime, "predict", _post(text="the store is down")))
    feedback = _post(prediction_id=response["predictions"][0]["prediction_id"], correct=True)
    return [await _time_call(runtime, "feedback", feedback, 503) for _ in range(REFUSALS)]


async def _time_call(runtime: "Runtime", function: str, request: "HttpRequest", status: int = 200) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    await _call(runtime, function, request, status)
    return time.perf_counter() - start


async def _call(runtime: "Runtime", function: str, request: "HttpRequest", status: int = 200) -> bytes:
    """Return the body of the response. Raises SystemExit if it has another status."""
    response = await runtime.call_http(function, request)
    if response.status != status:
        raise SystemExit(f"{function} answered {response.status}, not {status}: {response.body.decode()}")
    return response.body


def _post(**payload: object) -> "HttpRequest":
    """Return a POST as the host passes it to a function, with the headers that any client sends."""
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
