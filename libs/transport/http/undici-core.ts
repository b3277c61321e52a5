/**
 * The part of undici that sends requests, without its fetch, WebSocket, caches and mocks: those are 80 modules more, a tenth of the
 * CPU time that a worker takes to start. The files are undici's own affair, but its version is pinned, and no other file here knows them.
 */
import api from 'undici/lib/api/index.js';
import buildConnector from 'undici/lib/core/connect.js';
import Client from 'undici/lib/dispatcher/client.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';

// As undici's own index does it: `request` and others are made methods of what dispatches.
Object.assign(Dispatcher.prototype, api);

export { buildConnector, Client, Pool };
