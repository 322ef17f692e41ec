#!/bin/sh
# Install the Bicep compiler into a folder:  sh tools/install_bicep.sh FOLDER
#
# `az bicep install` compares its download with nothing. The digest is that of the compiler that wrote
# tests/infra/snapshots.
set -eu
version=v0.49.2
sha256=0ab9de90c2493f206f8281bae74f9ee2d5ed3605548dab1adf41fef185e1f7c5
mkdir -p "$1"
curl --fail --silent --show-error --location --output "$1/bicep" \
    "https://github.com/Azure/bicep/releases/download/$version/bicep-linux-x64"
echo "$sha256  $1/bicep" | sha256sum --check --quiet
chmod +x "$1/bicep"
