"""Azurite's table service: an emulator of Azure Table Storage.

with Azurite(folder) as azurite:
    TableServiceClient.from_connection_string(azurite.connection_string)
"""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Self

from devhost.azurite_files import check_and_copy, make_private
from devhost.errors import HostError
from tools.node import ToolMissing, node, package

DEVELOPMENT_PORT = 10002  # the port of the table service in every Azure tool
_SCRIPT = Path(__file__).with_name("table_service.cjs")
_START_TIMEOUT_SECONDS = 30.0
# Azurite's default account. The key is public and the same in every installation.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def connection_string(port: int) -> str:
    """Return the connection string of a table service on 127.0.0.1:`port`."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={endpoint};"


class Azurite:
    """A table service in a process of its own, with its data in `folder`. Acknowledged writes survive `kill`.

    Port 0 takes a free port at the first start and keeps it, so that `connection_string` is the same after a restart.
    With `in_memory` no file is written and the data end with the process.
    The process ends when this process ends, even if it is killed.
    """

    def __init__(self, folder: Path, port: int = 0, in_memory: bool = False) -> None:
        self.folder = folder
        self.port = port
        self._in_memory = in_memory
        self._process: subprocess.Popen[str] | None = None
        self._has_run = False  # from then on its file exists

    @property
    def connection_string(self) -> str:
        if not self.port:
            raise HostError("Azurite has no port yet: start it first")
        return connection_string(self.port)

    @property
    def pid(self) -> int | None:
        """The process id, or None if the service is not running."""
        process = self._process  # a local name, because another thread may call kill
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the service and return once it listens. Do nothing if it already runs.

        Raises HostError if it fails, or if the data in `folder` are damaged.
        """
        if self.pid is not None:
            return
        try:
            program, _ = node(), package("azurite")
        except ToolMissing as error:
            raise HostError(str(error)) from error
        self.kill()  # closes the pipes of a process that has crashed
        folder = [] if self._in_memory else [str(self._prepare_folder())]
        self._process = subprocess.Popen(
            # Azurite's dependencies call APIs that newer versions of Node warn about.
            [program, "--no-deprecation", str(_SCRIPT), str(self.port), *folder],
            stdin=subprocess.PIPE,  # nothing is written to it; it closes when this process ends, and then Azurite exits
            stdout=subprocess.PIPE,
            text=True,
            umask=0o077,  # the store has comments and shared texts
            start_new_session=True,  # Ctrl-C must not stop it before the app has ended
        )
        try:
            self.port = _wait_until_listening(self._process, self.port)
            self._has_run = True
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Send SIGKILL to the process and its children. Do nothing if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended just now
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def wait_for_crash(self) -> bool:
        """Wait until the process ends. Return whether it was not `kill` that ended it."""
        process = self._process
        if process is None:
            return False
        process.wait()
        return self._process is process

    def _prepare_folder(self) -> Path:
        folder = self.folder.absolute()
        try:
            make_private(folder)
            check_and_copy(folder, must_exist=self._has_run)
        except OSError as error:
            raise HostError(f"Azurite did not start: {error}") from error
        return folder

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _wait_until_listening(process: subprocess.Popen[str], port: int) -> int:
    """Return the port on which the service listens. `port` is the requested one. Raises HostError if it fails."""
    assert process.stdout is not None
    watchdog = threading.Timer(_START_TIMEOUT_SECONDS, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    match json.loads(line or "{}"):
        case {"port": int(listening)}:
            return listening
        case {"error": "EADDRINUSE"}:
            raise HostError(f"Azurite's port {port} is in use: stop the other program, or choose another port")
        case {"error": error}:
            raise HostError(f"Azurite did not start: {' '.join(str(error).split())}")
    raise HostError(f"Azurite ended, or did not start within {_START_TIMEOUT_SECONDS:.0f} s")
