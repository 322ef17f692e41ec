// Azurite's table service for devhost/azurite.py:  node table_service.cjs PORT [FOLDER]
//
// This starts Azurite's server class, because its command line does four things that tests and `make serve` cannot use:
//   - it saves its data every five seconds. Here no write is acknowledged before it is on disk, so that a killed
//     service loses none. (Each save writes the whole database, which is fine for a few thousand rows.)
//   - with port 0 it does not print the port. Here the first line on stdout is {"port": …} or {"error": …}.
//   - it outlives a killed parent. Here it exits when its stdin closes.
//   - it answers web pages, and everybody knows its key. Here it answers programs on this machine.
// Without FOLDER the data stay in memory.
"use strict";

const { mkdirSync } = require("node:fs");
const { join } = require("node:path");

process.stdin.on("close", () => process.exit(0)).resume();

function build(port, folder) {
  const Server = require("../tools/node_modules/azurite/dist/src/table/TableServer").default;
  const Configuration = require("../tools/node_modules/azurite/dist/src/table/TableConfiguration").default;
  if (folder) mkdirSync(folder, { recursive: true });
  const configuration = new Configuration("127.0.0.1", port, undefined, join(folder ?? "", "tables.json"), false, false);
  configuration.isMemoryPersistence = !folder;
  return new Server(configuration);
}

// Refuses what only a browser sends: an Origin, or the name of another machine, which a page can give this address.
function refuseWebPages(server) {
  const [handle] = server.httpServer.listeners("request");
  server.httpServer.removeAllListeners("request");
  server.httpServer.on("request", (request, response) => {
    const { host, origin } = request.headers;
    if (origin === undefined && /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) handle(request, response);
    else response.writeHead(403, { connection: "close" }).end();
  });
}

// Delays the whole response to a write, with its headers, until the database is saved.
function saveBeforeAnswering(server) {
  const database = server.metadataStore.db;
  database.autosaveDisable();
  const [handle] = server.httpServer.listeners("request");
  server.httpServer.removeAllListeners("request");
  server.httpServer.on("request", (request, response) => {
    if (request.method !== "GET") {
      const end = response.end.bind(response);
      const body = [];
      response.write = (chunk, encoding) => body.push(Buffer.from(chunk, encoding)) > 0;
      response.end = (chunk, encoding) => {
        if (chunk) response.write(chunk, encoding);
        database.saveDatabase((error) => (error ? response.destroy(error) : end(Buffer.concat(body))));
        return response;
      };
    }
    handle(request, response);
  });
}

async function main(port, folder) {
  const server = build(Number(port), folder);
  if (folder) saveBeforeAnswering(server);
  refuseWebPages(server);
  await server.start();
  return server.httpServer.address().port;
}

main(...process.argv.slice(2)).then(
  (port) => console.log(JSON.stringify({ port })),
  (error) => {
    console.log(JSON.stringify({ error: error.code ?? error.message }));
    process.exit(1);
  },
);
