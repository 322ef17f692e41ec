#!/bin/sh
# Install Azure Functions Core Tools, for CI and the dev container; needs npm and Node.js 22 or newer.
#
# The lock pins the npm packages by hash. The program itself is not in them: the last line downloads it from Microsoft,
# for exactly this version, and nothing compares it with a hash. So no job that builds, signs or deploys may run this.
set -eu
npm ci --ignore-scripts --prefix tools/core-tools
node tools/core-tools/node_modules/azure-functions-core-tools/lib/install.js
