"""A function app with one function for each rule of the host. conftest.py copies and loads it."""

import asyncio
import json
import sys
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ticks: list[bool] = []
running = peak = entered = 0
release, unblock = asyncio.Event(), threading.Event()
cancelled: list[str] = []


def describe(request: func.HttpRequest, **more: object) -> func.HttpResponse:
    """Return all that the function received."""
    received = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "query": dict(request.params),
        "route_values": dict(request.route_params),
        "body": request.get_body().hex(),
    }
    return func.HttpResponse(json.dumps(received | more), mimetype="application/json")


@app.route(route="echo", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    thread = threading.current_thread() is threading.main_thread()
    return describe(
        req, main_thread=thread, trace=context.trace_context.trace_parent, state=context.trace_context.trace_state
    )


@app.route(route="returns/{kind}")
async def returns(req: func.HttpRequest) -> func.HttpResponse:
    responses = {
        "response": func.HttpResponse("gründe", status_code=201, headers={"X-Kind": "response"}),
        "bytes-body": func.HttpResponse(b"\x00\xff", mimetype="application/octet-stream"),
        "cookies": func.HttpResponse("", headers={"Set-Cookie": "a=1; Path=/; HttpOnly"}),
        "no-content": func.HttpResponse("dropped", status_code=204),
        "own-length": func.HttpResponse("four", headers={"Content-Length": "9999"}),
        "status-99": func.HttpResponse("", status_code=99),
        "odd-header": func.HttpResponse("", headers={"a b": "c"}),
        "control-header": func.HttpResponse("", headers={"x": "a\x00b"}),
        "unsendable-header": func.HttpResponse("", headers={"x": "€"}),
        "str": "grün",
        "bytes": b"bytes",
        "dict": {"a": 1},
        "none": None,
    }
    return responses[req.route_params["kind"]]


@app.route(route="annotated")
def annotated(req: func.HttpRequest) -> str:
    return "plain"


@app.route(route="boom/{how}")
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    if req.route_params["how"] == "exit":
        sys.exit(3)
    raise ValueError("secret-4711")


@app.route(route="boom-sync")
def boom_sync(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("secret-4711")


@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> str:
    return "keyed"


@app.route(route="master-only", auth_level=func.AuthLevel.ADMIN)
def master_only(req: func.HttpRequest) -> str:
    return "master only"


@app.route(route="getting", methods=["GET"])
def getting(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)


@app.route(route="heading", methods=["GET", "HEAD"])
def heading(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)


@app.route(route="split", methods=["POST"])
def split_post(req: func.HttpRequest) -> str:
    return "post"


@app.route(route="split", methods=["DELETE"])
def split_delete(req: func.HttpRequest) -> str:
    return "delete"


@app.route(route="wild/{*path}")
def wild(req: func.HttpRequest) -> func.HttpResponse:
    return describe(req, by="wild")


@app.route(route="wild/thing", methods=["GET"])
def thing(req: func.HttpRequest) -> func.HttpResponse:
    return describe(req, by="thing")


@app.route(route="Items/{id:maxlength(3)}")
def item(req: func.HttpRequest) -> func.HttpResponse:
    return describe(req, by="item")


@app.route(route="")
def unrouted(req: func.HttpRequest) -> str:
    return "unrouted"


@app.route(route="slow")
async def slow(req: func.HttpRequest) -> str:
    global running, peak
    running += 1
    peak = max(peak, running)
    for _ in range(20):
        await asyncio.sleep(0)
    running -= 1
    return "done"


@app.route(route="held")
async def held(req: func.HttpRequest) -> str:
    global entered
    entered += 1
    await release.wait()
    return "released"


@app.route(route="endless/{kind}")
async def endless(req: func.HttpRequest) -> str:
    """Run until `release` is set, or, if the kind is "cancellable", until it is cancelled."""
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            cancelled.append(req.route_params["kind"])
            if req.route_params["kind"] == "cancellable":
                raise
    return "released"


@app.route(route="blocking")
def blocking(req: func.HttpRequest) -> str:
    unblock.wait()
    return "unblocked"


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
def Nightly(  # noqa: N802 - function names can have any case
    timer: func.TimerRequest,
) -> None:
    ticks.append(timer.past_due)


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
async def endless_nightly(timer: func.TimerRequest) -> None:
    await asyncio.Event().wait()


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
def broken_nightly(timer: func.TimerRequest) -> None:
    raise ValueError("secret-4711")
