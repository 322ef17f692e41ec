// Azurite's blob service in memory, for tests/support/blobs.py:  node blob_service.cjs
//
// Prints {"port": …} as its first line: Azurite's own command line does not print a free port that it chose.
// Exits when its stdin is closed.
"use strict";

const AZURITE = "../../tools/node_modules/azurite/dist/src/blob";
const Server = require(`${AZURITE}/BlobServer`).default;
const Configuration = require(`${AZURITE}/BlobConfiguration`).default;

process.stdin.on("close", () => process.exit(0)).resume();

const configuration = new Configuration("127.0.0.1", 0);
configuration.enableAccessLog = false;
configuration.skipApiVersionCheck = true; // the SDK's is newer
configuration.isMemoryPersistence = true;
const server = new Server(configuration);
server.start().then(() => console.log(JSON.stringify({ port: server.httpServer.address().port })));
