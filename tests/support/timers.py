"""Call a timer's function as Azure does, but in the process of the test, which can change its time limit."""

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace

import azure.functions as func
import pytest


def timer_function(register: Callable[[func.FunctionApp], None]) -> Callable[[], None]:
    """Return a function that runs the one timer that `register` adds to a function app."""
    app = func.FunctionApp()
    register(app)
    (function,) = app.get_functions()
    timer = SimpleNamespace(past_due=False)
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
    return lambda: asyncio.run(function.get_user_function()(timer=timer, context=context))


def log_records(function: Callable[[], None], caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Run a timer's function; return logger, level and message of each record, which stay in `caplog`."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "buzzguard.watch"):
        function()
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
