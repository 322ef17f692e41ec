"""Taking ports."""

import socket
from collections.abc import Iterator

import pytest

from devhost.errors import HostError
from devhost.ports import free_port, listen


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_port_replaces_port_in_use(used_port: int) -> None:
    assert free_port(used_port) not in (0, used_port)


def test_free_port_prefers_the_given_port() -> None:
    with socket.socket() as reserved:
        # Bound, so no other program gets the port; does not listen, so free_port can still take it.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        assert free_port(port) == port


def test_listen_reports_port_in_use_and_suggests_another(used_port: int) -> None:
    other = used_port + 1 if used_port < 65535 else used_port - 1
    advice = "stop the other program, or choose another port: make serve PORT="
    with pytest.raises(HostError, match=f"^port {used_port} is in use: {advice}{other}$"):
        listen(used_port)
