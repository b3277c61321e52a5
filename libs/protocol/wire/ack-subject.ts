/**
 * Subjects on which deliveries are settled: `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<time>.<pending>`, or in
 * the newer form `$JS.ACK.<domain>.<account>.<stream>.<consumer>.…`, with a token more behind.
 */
export interface AckSubject {
  readonly stream: string;
  readonly consumer: string;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
}

const OLD = /^\$JS\.ACK\.([\w-]+)\.([\w-]+)\.(\d{1,10})(?:\.\d{1,20}){4}$/;
const NEW = /^\$JS\.ACK\.[\w-]+\.[\w-]+\.([\w-]+)\.([\w-]+)\.(\d{1,10})(?:\.\d{1,20}){4}(?:\.[\w-]+)?$/;

/** Null for what is no such subject. */
export function readAckSubject(subject: string): AckSubject | null {
  const [, stream, consumer, count] = OLD.exec(subject) ?? NEW.exec(subject) ?? [];
  if (stream === undefined || consumer === undefined) return null;
  return { stream, consumer, deliveryCount: Number(count) || 1 };
}
