"""infra/download_package.py: what it downloads, how long it waits, and when there is nothing to roll back to."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import download_package
from infra.release import read_build_id
from tests.infra.fakes import FakeAz, FakeTime, write_package

DENIED = "ERROR: AuthorizationPermissionMismatch"

type Download = Callable[..., None]


@pytest.fixture
def download(az: FakeAz, fake_time: FakeTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Download:
    """Return a function that runs the command while Azure has a package with the id `build`."""

    def run(build: str | None = "b0", network: str = "Enabled", exists: tuple[Any, ...] = ({"exists": True},)) -> None:
        az.answers("storage account show --name stp --resource-group rg-x", network)
        az.answers("storage blob exists --account-name stp --container-name app-package", *exists)
        az.answers("storage blob download", DENIED, f"FILE:{write_package(tmp_path / 'deployed.zip', build)}")
        monkeypatch.setattr(sys, "argv", ["download_package", str(tmp_path / "downloaded.zip")])
        download_package.main()

    return run


def test_waits_for_its_role_then_downloads_the_package_and_prints_its_build_id(
    download: Download, tmp_path: Path, capsys: pytest.CaptureFixture[str], fake_time: FakeTime
) -> None:
    download(exists=(DENIED, DENIED, {"exists": True}))
    assert capsys.readouterr() == ("build=b0\n", "")
    assert read_build_id(str(tmp_path / "downloaded.zip")) == "b0"
    assert fake_time.now == 15


@pytest.mark.parametrize(
    ("deployed", "why"),
    [
        ({"exists": ({"exists": False},)}, "no package is deployed yet"),
        ({"build": None}, "it has no build id"),
        ({"network": "Disabled"}, "its storage account is closed to public networks"),
    ],
)
def test_warns_if_there_is_no_package_to_roll_back_to(
    download: Download, capsys: pytest.CaptureFixture[str], deployed: dict[str, Any], why: str
) -> None:
    download(**deployed)
    printed, logged = capsys.readouterr()
    assert printed == ""
    assert logged.startswith("::warning::") and why in logged


def test_fails_after_five_minutes_without_access(download: Download, fake_time: FakeTime) -> None:
    with pytest.raises(SystemExit, match="cannot be read: ERROR: AuthorizationPermissionMismatch"):
        download(exists=(DENIED,))
    assert fake_time.now == 300
