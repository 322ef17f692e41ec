"""Load a function app: import it and index its functions with the platform's own runtime."""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as platform

from devhost.errors import HostError

from .routes import Route, RouteTable, RouteTemplate
from .runtime import Function, Runtime
from .settings_files import HostJson

log = logging.getLogger(__name__)


class _StatusResult(SimpleNamespace):
    Failure, Success, Cancelled = 0, 1, 2


class _BindingInfo(SimpleNamespace):
    out, inout = 1, 2  # directions
    undefined = 0  # a data type


class _Protos:
    """Stands in for the module of protobuf messages. Only two have constants that the runtime reads."""

    StatusResult = _StatusResult
    BindingInfo = _BindingInfo

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


def load_app(app_dir: Path) -> Runtime:
    """Indexes the app in `app_dir`; a second call returns what the first did. Not for a running event loop.

    Raises HostError if it cannot be imported, has no functions, or has one that no request would come to.
    """
    script = app_dir.resolve() / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not script.is_file():
        raise HostError(f"{script} is missing: there is no function app here")
    return _load(script)


@cache  # a module is imported once, and the platform's runtime indexes it but once
def _load(script: Path) -> Runtime:
    app_dir = script.parent
    present = sys.modules.get(script.stem)
    if present is not None and getattr(present, "__file__", None) != str(script):
        raise HostError(f"{script}: this process holds another module {script.stem} already")
    prefix = HostJson.read(app_dir).route_prefix
    if str(app_dir) not in sys.path:
        sys.path.insert(0, str(app_dir))
    platform.start_threadpool_executor()
    functions = [_function(metadata) for metadata in asyncio.run(_index(app_dir))]
    if not functions:
        raise HostError(f"{script.name} has no functions: register them on its FunctionApp")
    routes = RouteTable([_route(function, prefix) for function in functions if function.trigger == "httpTrigger"])
    routes.refuse_shadowed()
    return Runtime({function.name: function for function in functions}, routes)


async def _index(app_dir: Path) -> list[SimpleNamespace]:
    """The runtime's own metadata of every function."""
    protos = _Protos()

    def message(**fields: Any) -> SimpleNamespace:
        return SimpleNamespace(request=SimpleNamespace(**fields), properties={"protos": protos, "host": "127.0.0.1"})

    start = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    with _quiet():
        try:
            answer = await platform.worker_init_request(message(worker_init_request=start))
        except SystemExit as end:
            raise HostError(f"the app ended the process while it was imported: {end!r}") from end
    if answer.result.status != _StatusResult.Success:
        log.debug("%s", answer.result.exception.stack_trace)
        raise HostError(_fault(app_dir, answer.result.exception))
    return list((await platform.functions_metadata_request(message())).function_metadata_results or ())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the platform from logging what is wrong with an app, which `load_app` tells in a line."""

    def by_the_app(record: logging.LogRecord) -> bool:
        return record.name != "azure.functions" and "/azure/functions/" not in record.pathname

    loggers = (logging.getLogger("azure.functions"), logging.getLogger())
    for logger in loggers:
        logger.addFilter(by_the_app)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(by_the_app)


def _fault(app_dir: Path, exception: SimpleNamespace) -> str:
    """`functions/predict.py:12: NameError: …`, from the last line of the app itself in the traceback."""
    message = exception.message.split(". Cannot find module.")[0]  # the runtime adds the whole of sys.path to it
    frames = [
        (Path(file), line)
        for file, line in re.findall(r'^ *File "(.+?)", line (\d+)', exception.stack_trace, re.MULTILINE)
        if Path(file).is_relative_to(app_dir) and "site-packages" not in file
    ]
    where = f"{frames[-1][0].relative_to(app_dir)}:{frames[-1][1]}: " if frames else ""
    return where + " ".join(message.split())


def _function(metadata: SimpleNamespace) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    return Function(metadata.name, metadata.function_id, trigger["type"], trigger["name"], trigger)


def _route(function: Function, prefix: str) -> Route:
    # On Azure an empty route is no route: the function then answers at its name. For / take {ignored:maxlength(0)?}.
    route = str(function.binding.get("route") or "").strip("/") or function.name
    if re.match("admin|runtime", route, re.IGNORECASE):
        raise HostError(f"function {function.name}: Azure keeps routes that begin with admin or runtime for itself")
    methods = frozenset(str(method).upper() for method in function.binding.get("methods") or ())
    return Route(RouteTemplate.parse(f"{prefix}/{route}"), methods, function.name)
