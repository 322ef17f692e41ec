"""The SBOM lists what a package consists of, and nothing else."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cyclonedx import schema

from infra import sbom
from infra.package import PACKAGES

SCHEMAS = Path(schema.__file__).parent / "_res"
LOCK = "idna==3.20 \\\n    --hash=sha256:" + "a" * 64 + " \\\n    --hash=sha256:" + "b" * 64 + "\n"
METADATA = "Metadata-Version: 2.4\nName: IDNA\nVersion: 3.20\nLicense-Expression: BSD-3-Clause\n"
FILES = {
    "build.json": '{"build": "0123456789abcdef"}',
    "requirements.txt": LOCK,
    f"{PACKAGES}/idna/__init__.py": "",
    f"{PACKAGES}/idna-3.20.dist-info/METADATA": METADATA,
    "models/registry.json": '{"champion": "champion"}',
    "models/champion/manifest.json": '{"name": "champion", "version": "7"}',
    "models/champion/model.onnx": "graph",
    "web/index.html": "<p>",
    "swagger-ui/LICENSE": "Apache",
}


def write(path: Path, files: dict[str, str] = FILES) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # with a fixed date
    return path


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads(sbom.render(write(tmp_path / "a.zip"))))


def problems(document: dict[str, Any]) -> list[str]:
    """Return what CycloneDX's own schema finds wrong."""
    names = [f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "jsf-0.82")]
    bom, *others = (json.loads((SCHEMAS / name).read_bytes()) for name in names)
    addresses = [f"http://cyclonedx.org/schema/{name}" for name in names[1:]]
    registry = jsonschema_rs.Registry(list(zip(addresses, others, strict=True)))
    validator = jsonschema_rs.validator_for(bom, registry=registry, validate_formats=True)
    return [error.message for error in validator.iter_errors(document)]


def listed(components: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return type and name of every component, those within others included."""
    found = []
    for each in components:
        found += [(each["type"], each["name"]), *listed(each.get("components", []))]
    return sorted(found)


def test_lists_distributions_models_and_files(document: dict[str, Any]) -> None:
    assert listed(document["components"]) == [
        ("file", "models/champion/manifest.json"),
        ("file", "models/champion/model.onnx"),
        ("file", "swagger-ui/LICENSE"),
        ("file", "web/index.html"),
        ("library", "idna"),
        ("library", "swagger-ui-dist"),
        ("machine-learning-model", "champion"),
    ]


def test_distribution_has_its_licence_and_the_hashes_of_the_lock(document: dict[str, Any]) -> None:
    (idna,) = (each for each in document["components"] if each["name"] == "idna")
    assert (idna["version"], idna["purl"]) == ("3.20", "pkg:pypi/idna@3.20")
    assert idna["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    (distribution,) = idna["externalReferences"]
    assert [each["content"] for each in distribution["hashes"]] == ["a" * 64, "b" * 64]


def test_model_and_its_files_have_digests(document: dict[str, Any]) -> None:
    (model,) = (each for each in document["components"] if each["type"] == "machine-learning-model")
    assert model["version"] == "7"
    contents = [FILES["models/champion/manifest.json"], FILES["models/champion/model.onnx"]]
    manifest, graph = (hashlib.sha256(text.encode()).hexdigest() for text in contents)
    assert model["hashes"][0]["content"] == manifest
    assert [each["hashes"][0]["content"] for each in model["components"]] == [manifest, graph]


def test_document_names_the_zip_by_its_digest_and_build(document: dict[str, Any], tmp_path: Path) -> None:
    app = document["metadata"]["component"]
    assert app["version"] == "0123456789abcdef"
    assert app["hashes"][0]["content"] == hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()


def test_same_package_gives_the_same_document(tmp_path: Path) -> None:
    first, second = (sbom.render(write(tmp_path / name)) for name in ("a.zip", "b.zip"))
    assert first == second
    changed = write(tmp_path / "c.zip", FILES | {"models/champion/model.onnx": "another"})
    assert json.loads(sbom.render(changed))["serialNumber"] != json.loads(first)["serialNumber"]


def test_document_follows_the_schema_of_cyclonedx(document: dict[str, Any]) -> None:
    assert problems(document) == []
    document["components"][0]["type"] = "tweet"
    assert '"tweet" is not one of' in problems(document)[0]


def test_refuses_a_distribution_that_the_lock_does_not_have(tmp_path: Path) -> None:
    other = FILES | {f"{PACKAGES}/idna-3.20.dist-info/METADATA": METADATA.replace("3.20", "3.19")}
    with pytest.raises(SystemExit, match=r"has no idna 3\.19, which the package holds"):
        sbom.render(write(tmp_path / "a.zip", other))
