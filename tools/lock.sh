#!/bin/sh
# Resolve the dependency groups of pyproject.toml into requirements files with hashes. Every group gets the versions of
# the largest one, so that the app is deployed in the versions that are tested.
set -eu
compile() {
    .venv/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.13 \
        --python-platform x86_64-manylinux_2_28 pyproject.toml "$@"
}
compile --group train --output-file tools/requirements-train.txt
compile --group dev --constraint tools/requirements-train.txt --output-file tools/requirements-dev.txt
compile --group serve --constraint tools/requirements-train.txt --output-file requirements.txt
for group in uv node sign audit; do
    compile --group $group --constraint tools/requirements-train.txt --output-file tools/requirements-$group.txt
done
