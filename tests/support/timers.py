"""Call a timer's function as Azure does, but in the process of the test, which can change its time limit."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import azure.functions as func


def timer_function(register: Callable[[func.FunctionApp], None]) -> Callable[[], None]:
    """Return a function that runs the one timer that `register` adds to a function app."""
    app = func.FunctionApp()
    register(app)
    (function,) = app.get_functions()
    timer = SimpleNamespace(past_due=False)
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
    return lambda: asyncio.run(function.get_user_function()(timer=timer, context=context))
