"""tools/install.sh reports a failure in one line."""

import os
import shutil
import subprocess
from pathlib import Path

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


def test_reports_the_reason_of_a_failure_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    shutil.copy(ROOT / "tools/install.sh", tmp_path)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "install.sh", "train"], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "install: the Python packages failed: error: [Errno 28] No space left on device "
        "(all of it: .local/install.log)\n"
    )
