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
    port = free_port(0)
    assert free_port(port) == port


def test_listen_reports_port_in_use_and_suggests_another(used_port: int) -> None:
    other = used_port + 1 if used_port < 65535 else used_port - 1
    with pytest.raises(HostError, match=f"^port {used_port} is in use: .* make serve PORT={other}$"):
        listen(used_port)
