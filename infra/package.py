"""`python -m infra.package ZIP`: the deployable app, for linux x86-64 and CPython 3.13. `make package` runs this.

Inside: what is served, the champion and every other model, the locked packages without the parts that a function never
loads, and bytecode instead of a first compilation at each cold start. The same input gives the same bytes. build.json
names them: /api/health/ready tells which build answers.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from functions.openapi import viewer

ROOT = Path(__file__).resolve().parent.parent
SERVED = [
    "function_app.py",
    "host.json",
    "requirements.txt",
    "cloud",
    "feedback",
    "functions",
    "models",
    "sentiment",
    "web",
]
PACKAGES = ".python_packages/lib/site-packages"  # where the platform looks for them

INSTRUMENTED = "asgi dbapi django fastapi flask httpx psycopg2 requests urllib urllib3 wsgi".split()

# Never loaded by a function; tests/e2e/test_package.py serves without them.
UNUSED = [
    "bin",
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C; Python has its own copy
    "onnxruntime/capi/libonnxruntime_providers_shared.so",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "onnxruntime/datasets",
    "numpy/**/tests",
    "numpy/f2py",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_core/_simd*.so",  # for tests, as the next
    "numpy/_core/_*_tests*.so",
    *(f"numpy/{name}" for name in ("fft", "ma", "polynomial", "random", "testing")),
    *("flatbuffers", "google"),  # onnxruntime names them for its tools
    *("cffi", "pycparser"),  # of them cryptography needs the compiled part, which lies outside
    *("azure/data/tables/aio", "azure/identity/aio", "azure/storage/blob/**/aio"),
    *(f"werkzeug/{name}" for name in ("debug", "middleware", "routing")),
    *("psutil/_ps[abosw]*.py", "urllib3/contrib/emscripten"),  # other systems
    "multidict/_testcapi*.so",
    # Instrumentation that cloud/telemetry.py turns off, and what only that and older exporters need.
    *(f"opentelemetry/instrumentation/{name}" for name in INSTRUMENTED),
    *("asgiref", "msrest", "oauthlib", "opentelemetry/util/http", "requests_oauthlib"),
    "simplemma/strategies/dictionaries/data/*",  # every language; KEPT names the one that TextSpec uses
    "**/*.pyi",
    "*.dist-info/RECORD",  # lists bin, whose scripts begin with the path of the Python that this ran with
]
KEPT = ["simplemma/strategies/dictionaries/data/en.plzma"]
VIEWER = [*viewer.VIEWER, "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"]
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        pack(Path(folder), target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def build(folder: Path) -> None:
    """Lay the app out in `folder`, which is made, as it will be on the platform."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SERVED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, folder)
    copy_viewer(folder / viewer.PACKAGED.name)
    install(folder / PACKAGES)
    prune(folder / PACKAGES)
    compile_all(folder)
    (folder / "build.json").write_text(json.dumps({"build": build_id(folder)}))


def copy_viewer(folder: Path) -> None:
    """What shows /api/docs, as functions/openapi/viewer.py looks for it."""
    folder.mkdir()
    for name in VIEWER:
        shutil.copy(viewer.INSTALLED / name, folder)


def install(folder: Path) -> None:
    """The locked packages, as wheels for the platform; each must have the hash in requirements.txt."""
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    platform = ["--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.txt")]
    subprocess.run([uv, "pip", "install", "--quiet", "--no-config", "--target", folder, *platform, *locked], check=True)


def prune(folder: Path) -> None:
    """Remove what is UNUSED. Raises SystemExit for a pattern that finds nothing: a package has changed its layout."""
    kept = {folder / name for name in KEPT}
    if missing := [name for name in KEPT if not (folder / name).exists()]:
        raise SystemExit(f"not in the packages any more: {', '.join(missing)}")
    for pattern in UNUSED:
        found = [path for path in folder.glob(pattern) if path not in kept]
        if not found:
            raise SystemExit(f"nothing to prune by {pattern}: look at the packages again")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def compile_all(folder: Path) -> None:
    """Bytecode beside every module, valid by its being there: a zip keeps no time to the second.

    In one process with one hash seed: what stands before it in the process shows in the bytes of a module.
    """
    arguments = ["-q", "-s", str(folder), "--invalidation-mode", "unchecked-hash", str(folder)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    subprocess.run([sys.executable, "-m", "compileall", *arguments], env=environment, check=True)


def build_id(folder: Path) -> str:
    """16 hex digits of a SHA-256 over the names and contents of all files of `folder`."""
    digest = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def pack(folder: Path, target: Path) -> None:
    """All files of `folder` as one zip, in order, without times."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
