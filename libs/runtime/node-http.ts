/**
 * Node's HTTP server, not by `import`: an import of `node:http` reads each of its names at once, among them those of WebSocket
 * (Node 24), which load the whole client behind `fetch`, a large part of what a small process takes to start.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
