import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

type Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def host_app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    """`app.py` behind the host. The platform's runtime keeps its state in its modules, so all tests share one."""
    from devhost.host.functions_host import create_app

    folder = tmp_path_factory.mktemp("app")
    shutil.copy(Path(__file__).with_name("app.py"), folder / "devhost_test_app.py")  # no other module has that name
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
        patch.setenv("DEVHOST_FUNCTION_KEY", "function-key")
        patch.setenv("DEVHOST_MASTER_KEY", "master-key")
        patch.setenv("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "1000")
        patch.syspath_prepend(folder)
        return create_app(folder)


@pytest.fixture
def functions(host_app: Starlette) -> ModuleType:
    """The module of the functions, for what they have seen."""
    import devhost_test_app  # type: ignore[import-not-found]

    return devhost_test_app  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def asker() -> Callable[[Starlette], Ask]:
    """Gives an ASGI app its caller: ask("GET", "/path", headers=...) -> response."""

    async def request(app: Starlette, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:7071") as client:
            return await client.request(method, path, **options)

    return lambda app: lambda method, path, **options: asyncio.run(request(app, method, path, options))


@pytest.fixture
def ask(host_app: Starlette, asker: Callable[[Starlette], Ask]) -> Ask:
    return asker(host_app)
