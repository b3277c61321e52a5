/** Ports for servers of tests are chosen as `npm start` does. */
export { freePort } from '../deploy/local/ports.ts';
