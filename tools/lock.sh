#!/bin/sh
# Resolves the dependency groups of pyproject.toml into hashed requirements*.txt. Every group gets the versions that the
# largest one has, so that what is tested is what is deployed.
set -eu
compile() {
    .venv/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.13 \
        --python-platform x86_64-manylinux_2_28 pyproject.toml "$@"
}
compile --group train --output-file tools/requirements-train.txt
compile --group dev --constraint tools/requirements-train.txt --output-file tools/requirements-dev.txt
compile --group serve --constraint tools/requirements-train.txt --output-file requirements.txt
