"""What the tools of a newcomer find in the root: Core Tools, Visual Studio Code, a dev container, a REST client."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloud import settings
from devhost import azurite
from devhost.host.settings_files import DEVELOPMENT_PORT, LocalSettings
from infra.package import SERVED
from tests.docs.examples import ADDRESS
from tests.support.app import App
from tests.support.documents import files
from tests.support.paths import ROOT

SAMPLE = "local.settings.sample.json"
VARIABLE = re.compile(r"@(\w+) = (.+)")
PLACEHOLDER = re.compile(r"{{(.+?)}}")


def read(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


@pytest.fixture
def sample(tmp_path: Path) -> LocalSettings:
    """What a newcomer gets who copies it."""
    shutil.copy(ROOT / SAMPLE, tmp_path / "local.settings.json")
    return LocalSettings.read_or_create(tmp_path)


def test_the_sample_is_enough_for_a_laptop(sample: LocalSettings) -> None:
    laptop = settings.read_settings(
        sample.values | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
    )  # as Core Tools set it
    assert laptop.tables_connection_string == azurite.connection_string(azurite.DEVELOPMENT_PORT)
    assert laptop.auth_level == "anonymous"
    assert sample.port == DEVELOPMENT_PORT


def test_the_sample_holds_no_secret(sample: LocalSettings) -> None:
    """Its keys are for everybody to read, so that Azure must refuse them."""
    with pytest.raises(settings.SettingsError) as refused:
        settings.read_settings(sample.values)
    keys = {name for name in sample.values if name.endswith("_KEY")}
    assert all(sample.values[key].startswith(settings.DEVELOPMENT_KEY_PREFIX) for key in keys)
    for key in ("RECEIPT_KEY", "INCIDENT_KEY"):
        assert key in keys and f"{key} is a development key" in str(refused.value)


def test_the_sample_has_what_make_serve_would_write(sample: LocalSettings, tmp_path: Path) -> None:
    """But for the keys that only our host reads."""
    (tmp_path / "local.settings.json").unlink()
    written = LocalSettings.read_or_create(tmp_path)
    ours = {name for name in written.values if not name.startswith("DEVHOST_")}
    assert sample.values.keys() == ours
    assert (sample.port, sample.cors) == (written.port, written.cors)


def test_core_tools_publish_what_is_served_and_nothing_else() -> None:
    """`.funcignore` has the patterns of a .gitignore, so git tells which of the files they mean."""
    command = ["git", "ls-files", "--cached", "--others", "--ignored", "--exclude-from=.funcignore"]
    ignored = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    published = {str(path) for path in files()} - ignored
    assert {path.partition("/")[0] for path in published} == set(SERVED)
    assert published == {str(path) for path in files() if path.parts[0] in SERVED}


def test_f5_attaches_where_the_functions_extension_has_the_worker_listen() -> None:
    """As the extension writes it for a new project: Microsoft/vscode-azurefunctions, PythonDebugProvider.ts."""
    attach, serve = read(".vscode/launch.json")["configurations"]
    assert (attach["type"], attach["request"], attach["connect"]) == (
        "debugpy",
        "attach",
        {"host": "localhost", "port": 9091},
    )
    tasks = {task["label"]: task for task in read(".vscode/tasks.json")["tasks"]}
    start = tasks[attach["preLaunchTask"]]
    assert (start["type"], start["command"]) == ("func", "host start")
    assert all(tasks[other] for other in start["dependsOn"])
    assert serve["module"] == "devhost"


def test_tasks_and_settings_use_what_make_installs(tmp_path: Path) -> None:
    configured = read(".vscode/settings.json")
    assert configured["azureFunctions.pythonVenv"] == ".venv"
    assert configured["python.defaultInterpreterPath"] == "${workspaceFolder}/.venv/bin/python"
    (copy,) = [task for task in read(".vscode/tasks.json")["tasks"] if task["label"] == "local settings"]
    shutil.copy(ROOT / SAMPLE, tmp_path)
    for content in (SAMPLE, "my own"):  # first there is none, then there is one
        subprocess.run(["sh", "-c", copy["command"]], cwd=tmp_path, check=True)
        target = tmp_path / "local.settings.json"
        assert target.read_text() == ((ROOT / SAMPLE).read_text() if content == SAMPLE else content)
        target.write_text("my own")


def test_the_container_has_the_python_and_the_extensions_of_the_project() -> None:
    container = read(".devcontainer/devcontainer.json")
    version = (ROOT / ".python-version").read_text().strip()
    assert re.fullmatch(rf"mcr\.microsoft\.com/devcontainers/python:{re.escape(version)}-\w+", container["image"])
    assert container["postCreateCommand"].endswith(" && make install")
    assert container["forwardPorts"] == [DEVELOPMENT_PORT]
    extensions = container["customizations"]["vscode"]["extensions"]
    assert extensions == read(".vscode/extensions.json")["recommendations"]


class Request(NamedTuple):
    title: str
    name: str  # by which later ones refer to its answer; most have none
    method: str
    address: str
    headers: dict[str, str]
    body: str


def requests(text: str) -> Iterator[Request]:
    """Those of a file for the REST client of Visual Studio Code, whose variables are filled in."""
    head, *parts = re.split(r"^### *", text, flags=re.MULTILINE)
    variables = dict(VARIABLE.findall(head))
    for part in parts:
        for name, value in variables.items():
            part = part.replace(f"{{{{{name}}}}}", value)
        title, *lines = part.strip().splitlines()
        names = [line.removeprefix("# @name ") for line in lines if line.startswith("# @name ")]
        first, *rest = [line for line in lines if not line.startswith("#")]
        head, _, body = "\n".join(rest).partition("\n\n")
        method, address = first.split()
        yield Request(title, "".join(names), method, address, dict(re.findall(r"(\S+): (.+)", head)), body)


def value_of(placeholder: str, answers: dict[str, Any]) -> str:
    """Of NAME.response.body.$.PATH."""
    name, path = placeholder.split(".response.body.$.")
    found = answers[name]
    for key, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        found = found[key] if key else found[int(index)]
    return str(found)


def test_every_request_of_the_file_for_rest_clients_works(served: App) -> None:
    answers: dict[str, Any] = {}
    sent = list(requests((ROOT / "test.http").read_text()))
    for request in sent:
        address, body = (
            PLACEHOLDER.sub(lambda found: value_of(found[1], answers), text) for text in (request.address, request.body)
        )
        path = address.removeprefix(ADDRESS)
        assert path.startswith("/"), address
        answer = served.http.request(request.method, path, headers=request.headers, content=body)
        assert answer.is_success, (request.title, answer.text)
        if request.name:
            answers[request.name] = answer.json()
    document = served.http.get("/api/openapi.json").json()
    operations = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    tried = {(request.method, re.sub(r"\{\{.*", "{prediction_id}", request.address)) for request in sent}
    assert {(method, f"{ADDRESS}{path}") for method, path in operations} - tried == {
        ("POST", f"{ADDRESS}/api/incidents")  # with a key that is no caller's
    }
