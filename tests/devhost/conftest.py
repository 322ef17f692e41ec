"""The host with the app of sample_app.py, and clients for it."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from devhost.host.functions_host import FunctionsHost, asgi_app, create_app
from devhost.host.invoker import Observer
from devhost.host.keys import Keys
from devhost.host.request_bodies import BodyLimits
from devhost.host.runtime import Runtime
from devhost.host.settings_files import NO_CORS, Cors, HostJson
from devhost.monitoring.local_monitoring import LocalMonitoring

type Ask = Callable[..., httpx.Response]
type MakeAsk = Callable[[Starlette], Ask]

FUNCTION_KEY, MASTER_KEY = "function-key", "master-key"
DEFAULT_LIMITS, NO_KEYS, DEFAULT_BODIES = HostJson(), Keys(), BodyLimits(max_bytes=1_000_000)


@pytest.fixture
def monitoring() -> Iterator[LocalMonitoring]:
    """Yield a monitoring of its own, which listens but evaluates no rules."""
    with LocalMonitoring() as monitoring:
        yield monitoring


def build_app(
    runtime: Runtime,
    limits: HostJson = DEFAULT_LIMITS,
    keys: Keys = NO_KEYS,
    cors: Cors = NO_CORS,
    observer: Observer | None = None,
    bodies: BodyLimits = DEFAULT_BODIES,
    routes: Sequence[Route] = (),
) -> Starlette:
    """Return a host for an indexed app."""
    return asgi_app(FunctionsHost(runtime, limits, keys, bodies, observer), cors, routes)


def is_problem(response: httpx.Response, status: int, title: str) -> bool:
    """Return whether the response is a problem of the host itself, without details."""
    problem = {"type": "about:blank", "title": title, "status": status}
    return response.headers["content-type"] == "application/problem+json" and response.json() == problem


@pytest.fixture(scope="session")
def host_app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    """Return the host with sample_app.py. All tests share it, as Azure's runtime keeps its state in its modules."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copy(Path(__file__).with_name("sample_app.py"), folder / "devhost_test_app.py")  # a unique module name
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
        patch.setenv("DEVHOST_FUNCTION_KEY", FUNCTION_KEY)
        patch.setenv("DEVHOST_MASTER_KEY", MASTER_KEY)
        patch.setenv("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "1000")
        patch.syspath_prepend(folder)
        return create_app(folder)


@pytest.fixture
def functions(host_app: Starlette) -> ModuleType:
    """Return the module of the functions, which records their calls."""
    import devhost_test_app  # type: ignore[import-not-found]

    return devhost_test_app  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def make_ask() -> MakeAsk:
    """Return a function that makes a client for an ASGI app: ask("GET", "/path", headers=...) -> response."""

    async def request(app: Starlette, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:7071") as client:
            return await client.request(method, path, **options)

    return lambda app: lambda method, path, **options: asyncio.run(request(app, method, path, options))


@pytest.fixture
def ask(host_app: Starlette, make_ask: MakeAsk) -> Ask:
    return make_ask(host_app)
