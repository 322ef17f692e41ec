"""Ports on 127.0.0.1: take one, or say why it cannot be taken."""

import errno
import socket

from devhost.errors import HostError


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port whose last owner has just gone is free
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def listen(port: int) -> socket.socket:
    try:
        return _bound(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            another = port + 1 if port < 65535 else port - 1
            message = f"port {port} is taken: stop what uses it, or choose another: make serve PORT={another}"
            raise HostError(message) from error
        raise HostError(f"port {port}: {error.strerror}") from error


def free_port(wanted: int) -> int:
    """`wanted` if nothing listens there, else any that is free."""
    for port in (wanted, 0):
        try:
            with _bound(port) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise HostError("no port is free")
