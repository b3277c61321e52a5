/**
 * Node's HTTP server, not by `import`: an import of `node:http` reads each of its names at once, among them those of WebSocket
 * (Node 24), which load the whole client behind `fetch`. That was 75 ms of CPU time, a fifth of what a simulated engine took to start.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
