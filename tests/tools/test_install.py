"""tools/install.sh compares what it installs with the locks, and reports a failure in one line."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# uv with a full disk: the reason is not in the last line, and is indented.
UV = """\
#!/bin/sh
[ "$1" = pip ] || exit 0
cat >&2 <<END
error: Failed to build \\`pyspark==4.3.0\\`
         error: [Errno 28] No space left on device

hint: Build failures usually indicate a problem with the package
END
exit 1
"""


def install(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the script for the group train, in a folder with nothing of this machine but its Python."""
    shutil.copy(ROOT / "tools/install.sh", folder)
    path = {"PATH": os.environ["PATH"]} | environment
    return subprocess.run(["sh", "install.sh", "train"], cwd=folder, env=path, capture_output=True, text=True)


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Return a folder where uv is installed, in the version of its lock."""
    (tmp_path / ".local/uv/bin").mkdir(parents=True)
    (tmp_path / ".local/uv/bin/uv").write_text(UV)
    (tmp_path / ".local/uv/bin/uv").chmod(0o755)
    (tmp_path / "tools").mkdir()
    for path in ("tools/requirements-uv.txt", ".local/uv/requirements.txt"):
        (tmp_path / path).write_text("the lock")
    return tmp_path


def test_reports_the_reason_of_a_failure_in_one_line(uv: Path) -> None:
    done = install(uv)
    assert done.returncode == 1
    assert done.stderr == (
        "install: the Python packages failed: error: [Errno 28] No space left on device "
        "(all of it: .local/install.log)\n"
    )


def test_refuses_a_uv_that_differs_from_its_lock(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/requirements-uv.txt", tmp_path / "tools")
    (version,) = re.findall(r"^uv==(\S+)", (tmp_path / "tools/requirements-uv.txt").read_text())
    (tmp_path / f"uv-{version}-py3-none-any.whl").write_text("another")
    done = install(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.stderr.startswith("install: uv failed: ")
    assert "DO NOT MATCH THE HASHES" in (tmp_path / ".local/install.log").read_text()


def test_does_not_take_the_uv_of_the_system(uv: Path) -> None:
    (uv / "bin").mkdir()
    (uv / "bin/uv").write_text("#!/bin/sh\ntouch taken\n")
    (uv / "bin/uv").chmod(0o755)
    install(uv, PATH=f"{uv / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert not (uv / "taken").exists()


BICEP = """\
#!/bin/sh
while [ "$1" != --output ]; do shift; done
printf another >"$2"
"""


def test_refuses_a_bicep_that_differs_from_its_digest(tmp_path: Path) -> None:
    (tmp_path / "curl").write_text(BICEP)
    (tmp_path / "curl").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", ROOT / "tools/install_bicep.sh", tmp_path / "bicep"], env={"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode != 0 and "did NOT match" in done.stderr
    assert not os.access(tmp_path / "bicep/bicep", os.X_OK)
