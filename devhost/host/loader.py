"""Load a function app: import it and index its functions with Azure's own Python runtime."""

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

import azure_functions_runtime as azure_runtime

from devhost.errors import HostError

from .routes import Route, RouteTable, RouteTemplate
from .runtime import Function, Runtime
from .settings_files import HostJson

log = logging.getLogger(__name__)


class _StatusResult(SimpleNamespace):
    Failure, Success = 0, 1


class _BindingInfo(SimpleNamespace):
    out, inout = 1, 2  # directions
    undefined = 0  # a data type


# Replaces the module of protobuf messages. These are the messages that indexing uses. A new version of the runtime that
# uses another one fails with an AttributeError, which names it.
_PROTOS = SimpleNamespace(
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    FunctionMetadataResponse=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    RpcRetryOptions=SimpleNamespace,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


def load_app(app_dir: Path) -> Runtime:
    """Load and index the app in `app_dir`. A second call returns the same object.

    Must not be called inside a running event loop. Raises HostError if the app cannot be imported, has no functions, or
    has a function that no request can reach.
    """
    script = app_dir.resolve() / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not script.is_file():
        raise HostError(f"{script} is missing: this folder is not a function app")
    return _load(script)


@cache  # a process imports a module once, and the runtime indexes it once
def _load(script: Path) -> Runtime:
    app_dir = script.parent
    loaded = sys.modules.get(script.stem)
    if loaded is not None and getattr(loaded, "__file__", None) != str(script):
        raise HostError(f"{script}: this process has already loaded another module {script.stem}")
    prefix = HostJson.read(app_dir).route_prefix
    if str(app_dir) not in sys.path:
        sys.path.insert(0, str(app_dir))
    azure_runtime.start_threadpool_executor()
    functions = [_to_function(metadata) for metadata in asyncio.run(_index(app_dir))]
    if not functions:
        raise HostError(f"{script.name} has no functions: register them on its FunctionApp")
    routes = RouteTable(
        [_to_route(function, prefix) for function in functions if function.trigger_type == "httpTrigger"]
    )
    routes.check_reachable()
    return Runtime({function.name: function for function in functions}, routes)


async def _index(app_dir: Path) -> list[SimpleNamespace]:
    """Return the runtime's metadata of every function."""

    def message(**fields: Any) -> SimpleNamespace:
        return SimpleNamespace(request=SimpleNamespace(**fields), properties={"protos": _PROTOS, "host": "127.0.0.1"})

    init = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    with _runtime_log_muted():
        try:
            response = await azure_runtime.worker_init_request(message(worker_init_request=init))
        except SystemExit as exit_:
            raise HostError(f"the app ended the process while it was imported: {exit_!r}") from exit_
    if response.result.status != _StatusResult.Success:
        log.debug("%s", response.result.exception.stack_trace)
        raise HostError(_import_error(app_dir, response.result.exception))
    return list((await azure_runtime.functions_metadata_request(message())).function_metadata_results or ())


@contextmanager
def _runtime_log_muted() -> Iterator[None]:
    """Drop the runtime's own log records. HostError says the same in one line."""

    def is_from_app(record: logging.LogRecord) -> bool:
        return record.name != "azure.functions" and "/azure/functions/" not in record.pathname

    loggers = (logging.getLogger("azure.functions"), logging.getLogger())
    for logger in loggers:
        logger.addFilter(is_from_app)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_from_app)


def _import_error(app_dir: Path, exception: SimpleNamespace) -> str:
    """Return `functions/predict.py:12: NameError: …`, with the last line of the app itself in the traceback."""
    message = exception.message.split(". Cannot find module.")[0]  # the runtime appends all of sys.path
    frames = [
        (Path(file), line)
        for file, line in re.findall(r'^ *File "(.+?)", line (\d+)', exception.stack_trace, re.MULTILINE)
        if Path(file).is_relative_to(app_dir) and "site-packages" not in file
    ]
    location = f"{frames[-1][0].relative_to(app_dir)}:{frames[-1][1]}: " if frames else ""
    return location + " ".join(message.split())


def _to_function(metadata: SimpleNamespace) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    return Function(
        name=metadata.name,
        id=metadata.function_id,
        trigger_type=trigger["type"],
        trigger_parameter=trigger["name"],
        trigger_binding=trigger,
    )


def _to_route(function: Function, prefix: str) -> Route:
    # Azure ignores an empty route and uses the name of the function. For /, use {ignored:maxlength(0)?}.
    route = str(function.trigger_binding.get("route") or "").strip("/") or function.name
    if re.match("admin|runtime", route, re.IGNORECASE):
        raise HostError(f"function {function.name}: Azure reserves routes that begin with admin or runtime")
    methods = frozenset(str(method).upper() for method in function.trigger_binding.get("methods") or ())
    return Route(RouteTemplate.parse(f"{prefix}/{route}"), methods, function.name)
