"""`python -m infra.sbom ZIP FILE`: write what the package ZIP consists of, as a CycloneDX 1.6 document.

`make sbom` runs this. It reads the package, not the lock: what is listed is what is in the zip. Every distribution that
the package has metadata of is a library, even where `infra.package` left out its code; every model is a
machine-learning model with its files; every file of the page is a file. The same package gives the same document.
"""

import base64
import email.message
import hashlib
import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PathDistribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from functions.openapi import viewer
from infra.package import PACKAGES, ROOT

LOCKED = re.compile(r"^(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
NAMESPACE = uuid.UUID("6f1c7b1e-7d1e-5c1a-9d0e-0b8a4a5f3c21")  # of our serial numbers; any constant would do


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1])))


def render(package: Path) -> str:
    """Return the document of a package, as JSON."""
    digest = hashlib.sha256(package.read_bytes())
    with zipfile.ZipFile(package) as archive:
        app = Component(
            name="buzzguard",
            version=json.loads(archive.read("build.json"))["build"],
            type=ComponentType.APPLICATION,
            bom_ref="buzzguard",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.hexdigest())],
        )
        components = [*_libraries(archive), *_models(archive), *_page(archive), _viewer(archive)]
    # No time: when a document was written says nothing about the package.
    bom = Bom(
        components=components,
        metadata=BomMetaData(component=app),
        serial_number=uuid.uuid5(NAMESPACE, digest.hexdigest()),
    )
    bom.register_dependency(app, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _libraries(archive: zipfile.ZipFile) -> Iterator[Component]:
    """Yield the distributions that the zip has metadata of.

    Raises SystemExit if requirements.txt, which the zip holds too, lacks one.
    """
    locked = {
        (name, version): re.findall("[0-9a-f]{64}", hashes)
        for name, version, hashes in LOCKED.findall(archive.read("requirements.txt").decode())
    }
    folders = zipfile.Path(archive, f"{PACKAGES}/").iterdir()
    for folder in sorted((each for each in folders if each.name.endswith(".dist-info")), key=lambda each: each.name):
        metadata = PathDistribution(folder).metadata
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        version = metadata["Version"]
        if (name, version) not in locked:
            raise SystemExit(f"requirements.txt of the package has no {name} {version}, which the package holds")
        purl = PackageURL("pypi", None, name, version)
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=_licenses(metadata),  # type: ignore[arg-type]  # an email.message.Message
            # Of the files that pip may install for this version. It does not record which it took.
            external_references=[
                ExternalReference(
                    type=ExternalReferenceType.DISTRIBUTION,
                    url=XsUri(purl.to_string()),
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in locked[name, version]],
                )
            ],
        )


def _licenses(metadata: email.message.Message) -> Iterable[License]:
    """Return what a distribution says about its licence: an SPDX expression, or the names of its classifiers."""
    if expression := metadata.get("License-Expression"):
        return [LicenseFactory().make_from_string(expression)]
    classifiers = [str(each) for each in metadata.get_all("Classifier") or [] if str(each).startswith("License ::")]
    return [LicenseFactory().make_with_name(each.rpartition(" :: ")[2]) for each in classifiers]


def _models(archive: zipfile.ZipFile) -> Iterator[Component]:
    """Yield the models. The digest of a model is that of its manifest, which has those of its files."""
    for name in sorted(archive.namelist()):
        if not re.fullmatch(r"models/[^/]+/manifest\.json", name):
            continue
        folder = name.removesuffix("manifest.json")
        manifest = json.loads(archive.read(name))
        yield Component(
            name=manifest["name"],
            version=manifest["version"],
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=folder.rstrip("/"),
            hashes=[_sha256(archive, name)],
            components=_files(archive, folder),
        )


def _page(archive: zipfile.ZipFile) -> Iterator[Component]:
    return _files(archive, "web/")


def _viewer(archive: zipfile.ZipFile) -> Component:
    """Return the npm package of the viewer, with the digest of its tarball, and the files that the zip has of it."""
    name = viewer.INSTALLED.name
    lock = json.loads((ROOT / "tools/package-lock.json").read_bytes())
    locked = lock["packages"][f"node_modules/{name}"]
    purl = PackageURL("npm", None, name, locked["version"])
    digest = base64.b64decode(locked["integrity"].removeprefix("sha512-")).hex()
    return Component(
        name=name,
        version=locked["version"],
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[LicenseFactory().make_from_string(locked["license"])],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(purl.to_string()),
                hashes=[HashType(alg=HashAlgorithm.SHA_512, content=digest)],
            )
        ],
        components=_files(archive, f"{viewer.PACKAGED.name}/"),
    )


def _files(archive: zipfile.ZipFile, folder: str) -> Iterator[Component]:
    for name in sorted(archive.namelist()):
        if name.startswith(folder) and not name.endswith("/"):
            yield Component(name=name, type=ComponentType.FILE, bom_ref=name, hashes=[_sha256(archive, name)])


def _sha256(archive: zipfile.ZipFile, name: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(archive.read(name)).hexdigest())


if __name__ == "__main__":
    main()
