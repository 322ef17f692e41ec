"""The files for a newcomer's tools: Core Tools, Visual Studio Code, a dev container, a REST client."""

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


def read_json(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


@pytest.fixture
def sample(tmp_path: Path) -> LocalSettings:
    """Return the settings of a newcomer who copies the sample."""
    shutil.copy(ROOT / SAMPLE, tmp_path / "local.settings.json")
    return LocalSettings.read_or_create(tmp_path)


def test_sample_is_enough_for_a_laptop(sample: LocalSettings) -> None:
    laptop = settings.read_settings(
        sample.values | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
    )  # as Core Tools set it
    assert laptop.tables_connection_string == azurite.connection_string(azurite.DEVELOPMENT_PORT)
    assert laptop.auth_level == "anonymous"
    assert sample.port == DEVELOPMENT_PORT


def test_sample_holds_no_secret(sample: LocalSettings) -> None:
    """Everybody can read its keys, so the app refuses them in Azure."""
    with pytest.raises(settings.SettingsError) as refused:
        settings.read_settings(sample.values)
    keys = {name for name in sample.values if name.endswith("_KEY")}
    assert all(sample.values[key].startswith(settings.DEVELOPMENT_KEY_PREFIX) for key in keys)
    for key in ("RECEIPT_KEY", "INCIDENT_KEY"):
        assert key in keys and f"{key} is a development key" in str(refused.value)


def test_sample_has_the_keys_that_make_serve_writes(sample: LocalSettings, tmp_path: Path) -> None:
    """Except the keys that only devhost reads."""
    (tmp_path / "local.settings.json").unlink()
    written = LocalSettings.read_or_create(tmp_path)
    ours = {name for name in written.values if not name.startswith("DEVHOST_")}
    assert sample.values.keys() == ours
    assert (sample.port, sample.cors) == (written.port, written.cors)


def test_core_tools_publish_the_files_of_the_package() -> None:
    """`.funcignore` has the syntax of .gitignore, so git can list the files that it matches."""
    command = ["git", "ls-files", "--cached", "--others", "--ignored", "--exclude-from=.funcignore"]
    ignored = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    published = {str(path) for path in files()} - ignored
    assert {path.partition("/")[0] for path in published} == set(SERVED)
    assert published == {str(path) for path in files() if path.parts[0] in SERVED}


def test_debugger_attaches_to_the_port_of_the_functions_extension() -> None:
    """The extension writes this for a new project: Microsoft/vscode-azurefunctions, PythonDebugProvider.ts."""
    attach, serve = read_json(".vscode/launch.json")["configurations"]
    assert (attach["type"], attach["request"], attach["connect"]) == (
        "debugpy",
        "attach",
        {"host": "localhost", "port": 9091},
    )
    tasks = {task["label"]: task for task in read_json(".vscode/tasks.json")["tasks"]}
    start = tasks[attach["preLaunchTask"]]
    assert (start["type"], start["command"]) == ("func", "host start")
    assert all(tasks[other] for other in start["dependsOn"])
    assert serve["module"] == "devhost"


def test_editor_tasks_and_settings_use_what_make_installs(tmp_path: Path) -> None:
    configured = read_json(".vscode/settings.json")
    assert configured["azureFunctions.pythonVenv"] == ".venv"
    assert configured["python.defaultInterpreterPath"] == "${workspaceFolder}/.venv/bin/python"
    (copy,) = [task for task in read_json(".vscode/tasks.json")["tasks"] if task["label"] == "local settings"]
    shutil.copy(ROOT / SAMPLE, tmp_path)
    for content in (SAMPLE, "my own"):  # the first time there is no file, the second time there is one
        subprocess.run(["sh", "-c", copy["command"]], cwd=tmp_path, check=True)
        target = tmp_path / "local.settings.json"
        assert target.read_text() == ((ROOT / SAMPLE).read_text() if content == SAMPLE else content)
        target.write_text("my own")


def test_dev_container_has_the_python_and_the_extensions_of_the_project() -> None:
    container = read_json(".devcontainer/devcontainer.json")
    version = (ROOT / ".python-version").read_text().strip()
    assert re.fullmatch(rf"mcr\.microsoft\.com/devcontainers/python:{re.escape(version)}-\w+", container["image"])
    assert container["postCreateCommand"].endswith(" && make install")
    assert container["forwardPorts"] == [DEVELOPMENT_PORT]
    extensions = container["customizations"]["vscode"]["extensions"]
    assert extensions == read_json(".vscode/extensions.json")["recommendations"]


class Request(NamedTuple):
    title: str
    name: str  # later requests use it to refer to the response; most have none
    method: str
    address: str
    headers: dict[str, str]
    body: str


def parse_requests(text: str) -> Iterator[Request]:
    """Yield the requests of a file for the REST client of Visual Studio Code, with its variables filled in."""
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


def value_of(placeholder: str, responses: dict[str, Any]) -> str:
    """Return the value of a placeholder NAME.response.body.$.PATH. `responses` maps names to decoded bodies."""
    name, path = placeholder.split(".response.body.$.")
    found = responses[name]
    for key, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        found = found[key] if key else found[int(index)]
    return str(found)


def test_every_request_of_test_http_works(served: App) -> None:
    responses: dict[str, Any] = {}
    sent = list(parse_requests((ROOT / "test.http").read_text()))
    for request in sent:
        address, body = (
            PLACEHOLDER.sub(lambda found: value_of(found[1], responses), text)
            for text in (request.address, request.body)
        )
        path = address.removeprefix(ADDRESS)
        assert path.startswith("/"), address
        response = served.http.request(request.method, path, headers=request.headers, content=body)
        assert response.is_success, (request.title, response.text)
        if request.name:
            responses[request.name] = response.json()
    document = served.http.get("/api/openapi.json").json()
    operations = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    tried = {(request.method, re.sub(r"\{\{.*", "{prediction_id}", request.address)) for request in sent}
    assert {(method, f"{ADDRESS}{path}") for method, path in operations} - tried == {
        ("POST", f"{ADDRESS}/api/incidents")  # needs the key of the action group
    }
