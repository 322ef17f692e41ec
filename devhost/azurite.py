"""Azurite's table service: Azure Table Storage on a laptop.

with Azurite(folder) as azurite:
    TableServiceClient.from_connection_string(azurite.connection_string)
"""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from devhost.errors import HostError
from tools.node import ToolMissing, node, package

DEVELOPMENT_PORT = 10002  # where tools look for an emulator's tables
_HERE = Path(__file__).parent
_START_SECONDS = 30.0
# Azurite's only account; its key is public and the same everywhere.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def connection_string(port: int) -> str:
    """What a client needs to reach an Azurite whose tables answer on 127.0.0.1:`port`."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={endpoint};"


class Azurite:
    """The service with its data in `folder`. A write it has acknowledged survives `kill`.

    `port` 0 takes a free one at the first start and keeps it, so that `connection_string` stays true over a restart.
    With `in_memory` nothing is written and the data end with the process.
    The process ends with this one, however this one ends.
    """

    def __init__(self, folder: Path, port: int = 0, in_memory: bool = False) -> None:
        self.folder = folder
        self.port = port
        self._in_memory = in_memory
        self._process: subprocess.Popen[str] | None = None

    @property
    def connection_string(self) -> str:
        if not self.port:
            raise HostError("Azurite has no port yet: start it first")
        return connection_string(self.port)

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        process = self._process  # another thread may kill it meanwhile
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Returns once it listens; does nothing if it does already. Raises HostError."""
        if self.pid is not None:
            return
        try:
            program, _ = node(), package("azurite")
        except ToolMissing as error:
            raise HostError(str(error)) from error
        where = [] if self._in_memory else [str(self.folder.absolute())]
        self._process = subprocess.Popen(
            # Azurite uses what newer Nodes call deprecated; nobody here can change that.
            [program, "--no-deprecation", str(_HERE / "table_service.cjs"), str(self.port), *where],
            stdin=subprocess.PIPE,  # never written to: when this process ends, however, it closes and Azurite exits
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the tables stay until we have finished with them
        )
        try:
            self.port = _listening(self._process, self.port)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to the process and all it started. Nothing acknowledged is lost; `start` finds it again."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was gone already
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _listening(process: subprocess.Popen[str], port: int) -> int:
    """Waits until the service asked for `port` says on which one it listens. Raises HostError."""
    assert process.stdout is not None
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    match json.loads(line or "{}"):
        case {"port": int(taken)}:
            return taken
        case {"error": "EADDRINUSE"}:
            raise HostError(f"port {port} for Azurite's tables is taken: stop what uses it, or choose another")
        case {"error": error}:
            raise HostError(f"Azurite did not start: {' '.join(str(error).split())}")
    raise HostError(f"Azurite ended, or did not listen within {_START_SECONDS:.0f} s")
