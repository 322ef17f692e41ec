"""The host matches functions in the order of their names, so the catch-all must have the last name."""

import os
import subprocess
import sys

import msgspec
import pytest

from tests.support.paths import ROOT

# In a process of its own: the platform's runtime indexes one app. Argument: the name of the catch-all.
SCRIPT = """
import asyncio, sys
from pathlib import Path

import httpx, msgspec
from msgspec.structs import replace

from devhost.host.settings_files import NO_CORS, HostJson
from devhost.errors import HostError
from devhost.host.functions_host import FunctionsHost, asgi_app
from devhost.host.keys import Keys
from devhost.host.loader import load_app
from devhost.host.routes import RouteTable
from devhost.host.runtime import Runtime

LAST, name = "zz_not_found", sys.argv[1]
indexed = load_app(Path.cwd())
functions = {name if function == LAST else function: found for function, found in indexed.functions.items()}
renamed = [replace(route, function=name) if route.function == LAST else route for route in indexed.routes.routes]
routes = RouteTable(renamed)

async def predict():
    transport = httpx.ASGITransport(asgi_app(FunctionsHost(Runtime(functions, routes), HostJson(), Keys()), NO_CORS))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post("/api/predict", json={"text": "Our crew made everybody laugh"})

answer = asyncio.run(predict())
try:
    routes.check_reachable()
    refused = None
except HostError as error:
    refused = str(error)
asked = [(route.function, route.template.text) for route in routes.routes]
print(msgspec.json.encode({"asked": asked, "status": answer.status_code, "refused": refused}).decode())
"""
SETTINGS = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody", "AUTH_LEVEL": "anonymous"}


class Found(msgspec.Struct):
    asked: list[tuple[str, str]]  # functions and routes, in the order of the host
    status: int  # of POST /api/predict
    refused: str | None  # why devhost does not start


def routing(catch_all: str) -> Found:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, catch_all], cwd=ROOT, env=os.environ | SETTINGS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Found)


def test_catch_all_is_matched_last() -> None:
    found = routing("zz_not_found")
    assert [function for function, template in found.asked if template.startswith("{*")] == ["zz_not_found"]
    assert found.asked[-1] == ("zz_not_found", "{*path}")
    assert (found.status, found.refused) == (200, None)


@pytest.mark.parametrize("name", ["not_found", "Not_Found"])
def test_catch_all_with_another_name_would_take_predictions(name: str) -> None:
    found = routing(name)
    assert found.status == 405
    assert found.refused and found.refused.startswith(
        "function openapi would get no requests for GET|HEAD /api/openapi"
    )
    assert f"{name} comes first and handles" in found.refused
