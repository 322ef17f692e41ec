"""A Starlette app at an address of its own, for a browser to talk to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The address at which `app` answers, from a thread beside the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # from here on nobody is refused: they wait
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off", loop="asyncio"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
