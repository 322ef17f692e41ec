"""The signature of the models' digests, by the commands of the workflows.

Sigstore gives a certificate only to a workflow that runs at GitHub. So these tests replace it by a key of their own,
and change nothing else.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.infra.test_workflows import WORKFLOWS
from tests.support.paths import ROOT

# The tool sets up OpenTelemetry if that is installed. Where it signs, in an environment of its own, it is not.
TOOL = f"""#!{sys.executable}
import sys
sys.modules["opentelemetry"] = None
from model_signing._cli import main
main(prog_name="model_signing")
"""


def script(file: str, job: str, name: str) -> str:
    (step,) = (step for step in WORKFLOWS[file]["jobs"][job]["steps"] if step.get("name") == name)
    return str(step["run"])


SIGN = script("ci", "sign", "Sign the digests of the models")
VERIFY = script("deploy", "verify", "Verify the signature of the models' digests")


class Release:
    """A package, and a key that stands for Sigstore's certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("build", "tools", ".venv/bin"):
            (folder / name).mkdir(parents=True)
        (folder / ".venv/bin/model_signing").write_text(TOOL)
        (folder / ".venv/bin/model_signing").chmod(0o755)
        (folder / "tools/install.sh").write_text("")
        self.digests = {
            path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (ROOT / "models").glob("*/manifest.json")
        }
        self.pack(self.digests)
        self.use_key()

    def pack(self, digests: dict[str, str]) -> None:
        with zipfile.ZipFile(self.folder / "build/buzzguard.zip", "w") as archive:
            archive.writestr("model_digests.json", json.dumps(digests))

    def use_key(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "private.pem").write_bytes(private)
        (self.folder / "public.pem").write_bytes(public)

    def sign(self) -> None:
        self._run(
            SIGN.replace("sigstore --use_ambient_credentials", "key --private_key private.pem")
        ).check_returncode()

    def verify(self) -> "subprocess.CompletedProcess[str]":
        identity = re.compile(r'--identity "\S+" \\\n *--identity_provider \S+')
        assert identity.search(VERIFY)
        return self._run(identity.sub("--public_key public.pem", VERIFY.replace("verify sigstore", "verify key")))

    def _run(self, command: str) -> "subprocess.CompletedProcess[str]":
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
        return subprocess.run(shell, cwd=self.folder, capture_output=True, text=True)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    return Release(tmp_path)


def test_accepts_only_the_list_that_was_signed(release: Release) -> None:
    release.sign()
    done = release.verify()
    assert done.returncode == 0, done.stderr
    release.pack(release.digests | {"champion": "0" * 64})
    done = release.verify()
    assert done.returncode == 1
    assert "Signature mismatch" in done.stdout + done.stderr


def test_refuses_the_signature_of_somebody_else(release: Release) -> None:
    release.sign()
    release.use_key()
    done = release.verify()
    assert done.returncode == 1
    assert "Verification failed" in done.stdout + done.stderr


def test_refuses_a_package_without_a_list(release: Release) -> None:
    with zipfile.ZipFile(release.folder / "build/buzzguard.zip", "w") as archive:
        archive.writestr("build.json", "{}")
    with pytest.raises(subprocess.CalledProcessError):
        release.sign()


@pytest.mark.parametrize(("method", "command"), [("sign", SIGN), ("verify", VERIFY)], ids=["sign", "verify"])
def test_tool_knows_the_options_of_the_workflow(method: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text(TOOL)
    arguments = [sys.executable, tmp_path / "tool", method, "sigstore", "--help"]
    usage = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    _, _, options = command.partition(f"model_signing {method} sigstore ")
    used = re.findall(r"--[a-z_]+", options)
    assert len(used) >= 2
    assert [option for option in used if not re.search(rf"^  {option} ", usage, re.MULTILINE)] == []
