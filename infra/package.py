"""`python -m infra.package ZIP`: build the package that is deployed, for linux x86-64 and CPython 3.13.

`make package` runs this. The zip holds the app, every model, the locked dependencies without the parts that the app
never loads, and bytecode, so that a cold start compiles nothing. model_digests.json lists the models; the app serves no
other. The same input gives the same bytes. build.json holds their digest, which /api/health/ready reports.
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
from sentiment import language
from sentiment.errors import ModelError
from sentiment.manifest import MANIFEST_FILE
from sentiment.model import Model
from sentiment.released import write_model_digests

ROOT = Path(__file__).resolve().parent.parent
SERVED = [
    "function_app.py",
    "host.json",
    "requirements.txt",
    "LICENSE",
    "NOTICE",
    "cloud",
    "feedback",
    "functions",
    "models",
    "sentiment",
    "web",
]
PACKAGES = ".python_packages/lib/site-packages"  # the platform looks here for dependencies

INSTRUMENTED = "asgi dbapi django fastapi flask httpx psycopg2 requests urllib urllib3 wsgi".split()

# The app never loads these: tests/e2e/test_package.py serves without them.
UNUSED = [
    "bin",
    "onnxruntime/capi/libonnxruntime.so*",  # for C programs; the Python module has its own copy
    "onnxruntime/capi/libonnxruntime_providers_shared.so",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "onnxruntime/datasets",
    "numpy/**/tests",
    "numpy/f2py",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_core/_simd*.so",  # for tests, like the next line
    "numpy/_core/_*_tests*.so",
    *(f"numpy/{name}" for name in ("fft", "ma", "polynomial", "random", "testing")),
    *("flatbuffers", "google"),  # onnxruntime requires them for its tools only
    *("cffi", "pycparser"),  # cryptography needs only their compiled part, which lies outside
    *("azure/data/tables/aio", "azure/identity/aio", "azure/storage/blob/**/aio"),
    *(f"werkzeug/{name}" for name in ("debug", "middleware", "routing")),
    *("psutil/_ps[abosw]*.py", "urllib3/contrib/emscripten"),  # for other systems
    "multidict/_testcapi*.so",
    # Instrumentation that cloud/telemetry.py turns off, and packages that only it and older exporters need.
    *(f"opentelemetry/instrumentation/{name}" for name in INSTRUMENTED),
    *("asgiref", "msrest", "oauthlib", "opentelemetry/util/http", "requests_oauthlib"),
    # feedback/personal_numbers.py reads telephone numbers, IBANs and cards, and no number of a single country.
    *("phonenumbers/shortdata/region_*.py", "phonenumbers/carrier.py", "phonenumbers/geocoder.py"),
    *("stdnum/??", "stdnum/i[ns]_", "stdnum/*.dat"),
    "simplemma/strategies/dictionaries/data/*",  # every language; KEPT has the one that TextSpec uses
    "**/*.pyi",
    "*.dist-info/RECORD",  # lists bin, whose scripts start with the path of the Python that built the package
]
KEPT = ["simplemma/strategies/dictionaries/data/en.plzma", "stdnum/iban.dat"]
VIEWER_FILES = [*viewer.VIEWER, "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"]
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold


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
    """Create `folder`, and lay the app out in it as on the platform."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SERVED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, folder)
    check_languages()
    copy_viewer(folder / viewer.PACKAGED.name)
    install(folder / PACKAGES)
    prune(folder / PACKAGES)
    compile_all(folder)
    write_model_digests(folder, compute_model_digests(folder / "models"))
    (folder / "build.json").write_text(json.dumps({"build": build_id(folder)}))


def compute_model_digests(models: Path) -> dict[str, str]:
    """Return the SHA-256 of each model's manifest, which covers its other files, by name.

    Raises SystemExit if a model cannot be loaded, or lies in a folder of another name.
    """
    digests = {}
    for manifest in sorted(models.glob(f"*/{MANIFEST_FILE}")):
        folder = manifest.parent
        try:
            name = Model.load(folder).manifest.name
        except ModelError as error:
            raise SystemExit(str(error)) from error
        if name != folder.name:
            raise SystemExit(f"{folder}: holds the model {name}")
        digests[name] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    return digests


def check_languages() -> None:
    """Raise SystemExit if the table that recognises languages is not the released one."""
    try:
        language.check_table()
    except ModelError as error:
        raise SystemExit(str(error)) from error


def copy_viewer(folder: Path) -> None:
    """Copy the files of /api/docs to where functions/openapi/viewer.py looks for them."""
    folder.mkdir()
    for name in VIEWER_FILES:
        shutil.copy(viewer.INSTALLED / name, folder)


def install(folder: Path) -> None:
    """Install the locked dependencies as wheels for the platform. Each must match its hash in requirements.txt."""
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    platform = ["--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.txt")]
    subprocess.run([uv, "pip", "install", "--quiet", "--no-config", "--target", folder, *platform, *locked], check=True)


def prune(folder: Path) -> None:
    """Remove UNUSED. Raises SystemExit if a pattern matches nothing: a dependency has changed its layout."""
    kept = {folder / name for name in KEPT}
    if missing := [name for name in KEPT if not (folder / name).exists()]:
        raise SystemExit(f"no longer in the dependencies: {', '.join(missing)}")
    for pattern in UNUSED:
        found = [path for path in folder.glob(pattern) if path not in kept]
        if not found:
            raise SystemExit(f"{pattern} matches nothing: look at the dependencies again")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def compile_all(folder: Path) -> None:
    """Compile every module, with bytecode that Python does not check against its source: a zip rounds file times.

    One process and one fixed hash seed: the bytes of a module depend on what the process compiled before it.
    """
    arguments = ["-q", "-s", str(folder), "--invalidation-mode", "unchecked-hash", str(folder)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    subprocess.run([sys.executable, "-m", "compileall", *arguments], env=environment, check=True)


def build_id(folder: Path) -> str:
    """Return 16 hex digits of a SHA-256 over the names and contents of all files in `folder`."""
    digest = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def pack(folder: Path, target: Path) -> None:
    """Zip all files of `folder`, sorted, with one fixed date."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
