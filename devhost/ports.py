"""TCP ports on 127.0.0.1."""

import errno
import socket

from devhost.errors import HostError

MAX_PORT = 65535


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port`; 0 takes any free port. Raises HostError if that fails."""
    try:
        return _listen(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < MAX_PORT else port - 1
            message = f"port {port} is in use: stop the other program, or choose another port: make serve PORT={other}"
            raise HostError(message) from error
        raise HostError(f"port {port}: {error.strerror}") from error


def free_port(preferred: int) -> int:
    """Return `preferred` if it is free, else any free port. Raises HostError if there is none."""
    for port in (preferred, 0):
        try:
            with _listen(port) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise HostError("no port is free")


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Without this, a port stays taken for a minute after its last owner has ended.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
