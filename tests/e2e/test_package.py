"""The zip that is deployed: complete, small, reproducible, and as good as the checkout."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from http.server import BaseHTTPRequestHandler
from importlib.metadata import distributions
from pathlib import Path
from tempfile import mkdtemp

import pytest
from packaging.utils import canonicalize_name

from infra import package, sbom
from sentiment import language
from sentiment.model import Model
from sentiment.released import read_model_digests
from tests.support import package_tests
from tests.support.http_server import serve_http
from tests.support.ingestion import DEADLINE_SECONDS, Ingestion
from tests.support.paths import ROOT
from tests.support.tampering import set_field

MAX_PACKAGE_BYTES = 63_000_000  # 41 MB of code, 21 MB of models, which hardly compress, 0.7 MB that tell languages

PREDICT = """
import asyncio, json, sys, types
import azure.functions as func
import function_app
predict = next(f for f in function_app.app.get_functions() if f.get_function_name() == "predict").get_user_function()
request = func.HttpRequest("POST", "/", headers={"content-type": "application/json"}, body=json.dumps(
    {"texts": ["I love this company the experience was great !",
               "my flight was cancelled and nobody answers, worst airline ever"]}).encode())
context = types.SimpleNamespace(trace_context=types.SimpleNamespace(trace_parent=""))
print(asyncio.run(predict(request, context)).get_body().decode())
import azure.data.tables, azure.identity, azure.storage.blob
print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)]))
"""

MASK = """
import json, sys
from feedback.masking import mask_personal_data
print("phonenumbers" in sys.modules, "stdnum" in sys.modules)
print(mask_personal_data("call 06 12 34 56 78, 2 times, IBAN nl91 abna 0417 1643 00, in all 1,234,567"))
print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)]))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "buzzguard.zip"
    subprocess.run([sys.executable, "-m", "infra.package", str(path)], cwd=ROOT, check=True)
    return path


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(archive).extractall(folder)
    return folder


def test_package_is_small_compiled_and_without_secrets_or_tests(archive: Path) -> None:
    assert archive.stat().st_size < MAX_PACKAGE_BYTES
    names = zipfile.ZipFile(archive).namelist()
    assert not [
        name
        for name in names
        if "local.settings" in name or name.startswith(("tests", "training", "devhost", ".local"))
    ]
    for module in (name for name in names if name.endswith(".py")):
        folder, _, stem = module.rpartition("/")
        compiled = f"{folder}/__pycache__/{stem[:-3]}.cpython-313.pyc".lstrip("/")
        assert compiled in names
    assert [
        name for name in names if re.search(r"/python_stdnum-[^/]*/licenses/COPYING$", name)
    ]  # the LGPL asks for it


def test_package_is_reproducible(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the place of the checkout or its Python matters, nor what an interrupted command left there."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in package.SERVED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    (checkout / "models" / ".half").mkdir()
    (checkout / "models" / ".half" / "model.onnx").touch()
    monkeypatch.setattr(package, "ROOT", checkout)
    venv.create(tmp_path / "venv", symlinks=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    package.build(tmp_path / "again")
    package.pack(tmp_path / "again", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_build_id_identifies_the_content_of_the_package(unpacked: Path, tmp_path: Path) -> None:
    """It changes with every file name and every byte, and with nothing else."""
    written = json.loads((unpacked / "build.json").read_bytes())
    assert list(written) == ["build"] and re.fullmatch("[0-9a-f]{16}", written["build"])
    (unpacked / "build.json").rename(tmp_path / "build.json")  # the id covers everything else
    assert package.build_id(unpacked) == written["build"]
    (tmp_path / "build.json").rename(unpacked / "build.json")

    def of(files: dict[str, str]) -> str:
        folder = Path(mkdtemp(dir=tmp_path))
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        return package.build_id(folder)

    assert of({"a": "1", "b/c": "2"}) == of({"b/c": "2", "a": "1"})
    others = [{"a": "1", "b/c": "3"}, {"a": "1", "b/d": "2"}, {"a": "1"}, {"a": "1b/c2"}, {"a": "2", "b/c": "1"}]
    assert len({of(files) for files in [{"a": "1", "b/c": "2"}, *others]}) == 6


def test_package_lists_the_models_that_it_was_built_with(unpacked: Path) -> None:
    digests = {
        name: hashlib.sha256((ROOT / "models" / name / "manifest.json").read_bytes()).hexdigest()
        for name in ("champion", "lite")
    }
    assert read_model_digests(unpacked) == digests
    for name in digests:
        assert Model.load(unpacked / "models" / name, digests).trusted


def test_refuses_to_build_with_a_model_that_was_changed_or_renamed(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(model_folder, models / "renamed")
    with pytest.raises(SystemExit, match="models/renamed: holds the model tiny"):
        package.compute_model_digests(models)
    set_field("thresholds.publish", 0.6)(models / "renamed")
    with pytest.raises(SystemExit, match="was changed after it was written"):
        package.compute_model_digests(models)


def test_refuses_to_build_with_another_table_of_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "languages.bin"
    table.write_bytes(b"another")
    monkeypatch.setattr(language, "TABLE", table)
    with pytest.raises(SystemExit, match="not the table that was released"):
        package.check_languages()


def test_sbom_lists_every_distribution_and_model_of_the_package(archive: Path, unpacked: Path) -> None:
    components = json.loads(sbom.render(archive))["components"]
    expected = {
        (canonicalize_name(each.name), each.version) for each in distributions(path=[unpacked / package.PACKAGES])
    }
    assert len(expected) > 40
    listed = {(each["name"], each["version"]) for each in components if each.get("purl", "").startswith("pkg:pypi/")}
    assert listed == expected
    models = {each["bom-ref"] for each in components if each["type"] == "machine-learning-model"}
    assert models == {f"models/{folder.name}" for folder in (unpacked / "models").iterdir() if folder.is_dir()}


def start_bare(unpacked: Path, code: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a bare interpreter with the package and none of this environment's packages."""
    path = [str(unpacked), str(unpacked / package.PACKAGES)]
    command = [sys.executable, "-S", "-I", "-c", f"import sys; sys.path += {path!r}\n{code}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, cwd=unpacked, env=environment, text=True, **pipes)


def test_package_predicts_without_other_packages(unpacked: Path) -> None:
    with start_bare(unpacked, PREDICT, RECEIPT_KEY="k" * 32, TABLES_CONNECTION_STRING="AccountName=nobody") as process:
        answer, files = process.communicate()[0].splitlines()
    assert '"label":"positive"' in answer and '"label":"negative"' in answer
    assert not [file for file in json.loads(files) if ".venv" in file]


def test_package_masks_without_other_packages(unpacked: Path) -> None:
    """The package has what phonenumbers and python-stdnum need, and loads it with the first text that is stored."""
    with start_bare(unpacked, MASK) as process:
        before, masked, files = process.communicate()[0].splitlines()
    assert before == "False False"
    assert masked == "call <number>, 2 times, IBAN <number>, in all 1,234,567"
    assert not [file for file in json.loads(files) if ".venv" in file]


EMIT = """
from cloud import telemetry
telemetry.start(input())
with telemetry.trace_context(""):
    telemetry.event("feedback_erased", receipt="r")
    telemetry.record("predict.duration", 2.1)
input()
"""


def test_package_can_export_telemetry(unpacked: Path) -> None:
    ingestion = Ingestion()
    try:
        with start_bare(unpacked, EMIT) as process:
            print(ingestion.connection_string, file=process.stdin, flush=True)
            ingestion.wait_for(lambda: bool(ingestion.envelopes_of("Message")))
            process.communicate("\n", timeout=DEADLINE_SECONDS)
        assert [message for message, _ in ingestion.messages] == ["feedback_erased"]
        assert ingestion.measurements()[0] == {"predict.duration": 2.1}
    finally:
        ingestion.close()


IDENTIFY = """
from azure.identity import ManagedIdentityCredential
print(ManagedIdentityCredential(client_id="of the app").get_token("https://storage.azure.com/.default").token)
"""


def test_package_can_use_a_managed_identity(unpacked: Path) -> None:
    """The fake endpoint grants a token as App Service does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": "token", "expires_on": int(time.time()) + 3600}).encode())

    with serve_http(Handler) as address:
        granted = {"IDENTITY_ENDPOINT": f"{address}/", "IDENTITY_HEADER": "h"}
        with start_bare(unpacked, IDENTIFY, **granted) as process:
            assert process.communicate()[0] == "token\n"


def test_package_passes_the_tests_of_the_checkout(unpacked: Path) -> None:
    tests = [f"tests/e2e/test_{name}.py" for name in package_tests.MODULES]
    tests.append("tests/contract/test_openapi.py")
    environment = os.environ | {"BUZZGUARD_APP": str(unpacked)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
