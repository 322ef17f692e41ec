"""Serve a Starlette app to a browser."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve `app` in a thread; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # from here on, connections wait instead of failing
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off", loop="asyncio"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
