"""Loading a function app."""

from pathlib import Path
from types import ModuleType

import pytest
from starlette.applications import Starlette

from devhost.errors import HostError
from devhost.host.loader import load_app


def test_second_load_returns_the_same_runtime(
    host_app: Starlette, functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
    assert load_app(Path(str(functions.__file__)).parent) is host_app.state.runtime


def test_process_loads_only_one_app(host_app: Starlette, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
    (tmp_path / "devhost_test_app.py").touch()
    with pytest.raises(HostError, match="this process has already loaded another module devhost_test_app"):
        load_app(tmp_path)
