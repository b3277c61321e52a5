/**
 * The life of a stored run: a request whose answer is stored until it is fetched. Every rule about it is stated
 * here once; the services call it, and the store makes each change in one atomic step.
 *
 *                  ┌──────────── again (attempts left) ───────────┐
 *                  ▼                                              │
 *   (accept) → queued ── begin ──→ in_progress ── finish / fail ──┴→ completed │ incomplete │ failed
 *                  └── cancel / expire ─┴──────────────────────────→ cancelled │ failed
 *
 * | transition                            | who may cause it                     | what fences it                                   | file in transitions/ |
 * |---------------------------------------|--------------------------------------|--------------------------------------------------|----------------------|
 * | → queued                              | ingress (a request), tasks (a line)  | an id, and a client's key, are taken once        | accept.ts         |
 * | → queued (an open call)               | the ingress that holds the call      | an id is taken once                              | converted-call.ts |
 * | queued, in_progress → in_progress     | a worker that got the message        | while another runs a higher number; queued: none | attempts.ts       |
 * | none → queued (the record was lost)   | a worker that got the message        | an id is taken once; what was removed is known   | attempts.ts       |
 * | queued, in_progress → queued          | tasks: no queue has its message, and nobody runs it | attempt and worker of the record  | queue-again.ts    |
 * | in_progress → completed, incomplete   | that worker                          | the record's attempt (number, nonce) is its own  | attempts.ts       |
 * | in_progress → queued or failed        | that worker                          | the same, and the number of failures             | attempts.ts       |
 * | in_progress → queued (engine is full) | that worker                          | the record's attempt is still its own            | attempts.ts       |
 * | in_progress → any end (an open call)  | the ingress that converted the call  | the attempt whose answer it has                  | converted-call.ts |
 * | queued, in_progress → cancelled       | ingress (its client), tasks (batch)  | the tenant; final runs stay as they are          | cancel.ts         |
 * | queued, in_progress → failed          | any service, past its deadline       | the deadline, by the record                      | expire.ts         |
 * | → completed, incomplete               | ingress, an answer already delivered | nothing: no other process has the id               | keep.ts           |
 * | failed, queued → queued               | an operator                          | the status; attempts go on counting              | reopen.ts         |
 * | queued → queued (another message)     | tasks, where none is delivered       | the status; attempts go on counting              | requeue.ts        |
 * | queued, in_progress: in another shard | tasks, which was delivered the message | the message; attempts go on counting           | requeue.ts        |
 *
 * The last four statuses are final. The record comes before the message that makes a worker begin, and the answer is in the
 * record before the message is acked, so a process may die between any two steps. A message without a record makes it anew (a line
 * of a batch is made anew by its batch), unless it was removed. A record keeps its message while it is open: where no queue has it any
 * more, it is queued again.
 */
export * from './await-run.ts';
export * from './dead-letters.ts';
export * from './done-channel.ts';
export * from './find-run.ts';
export * from './lost-run-finder.ts';
export * from './record/idempotency.ts';
export * from './record/new-run.ts';
export * from './record/run-error.ts';
export * from './record/run-life.ts';
export * from './record/run-message.ts';
export * from './transitions/accept.ts';
export * from './transitions/attempts.ts';
export * from './transitions/cancel.ts';
export * from './transitions/converted-call.ts';
export * from './transitions/expire.ts';
export * from './transitions/keep.ts';
export * from './transitions/queue-again.ts';
export * from './transitions/reopen.ts';
export * from './transitions/requeue.ts';
