/** The samples that one HTTP exchange leaves, under k6's names, and those beyond k6. */
import { classifyError, type HttpOutcome, type HttpRequest, TLS_ERROR } from '../http/http-client.ts';
import type { Tags } from '../metrics/metrics.ts';
import type { VirtualUser } from '../script/vu.ts';

export interface ExpectedStatuses {
  expects(status: number): boolean;
}

export interface SampleNames {
  /** The tag `name`; the URL where the script gave none. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  /** Null: the script does not want responses to be judged. */
  readonly callback: ExpectedStatuses | null;
}

export function emitHttp(
  vu: VirtualUser,
  request: HttpRequest,
  outcome: HttpOutcome,
  names: SampleNames,
): void {
  const { registry, metrics, counters } = vu.run;
  const expected =
    names.callback === null ? null : outcome.error === null && names.callback.expects(outcome.status);
  const tags = tagsOf(vu, request, outcome, names, expected);
  const { timings } = outcome;
  registry.emit(metrics.httpReqs, 1, tags);
  registry.emit(metrics.httpDuration, timings.duration, tags);
  registry.emit(metrics.httpBlocked, timings.blocked, tags);
  registry.emit(metrics.httpConnecting, timings.connecting, tags);
  registry.emit(metrics.httpTls, timings.tls_handshaking, tags);
  registry.emit(metrics.httpSending, timings.sending, tags);
  registry.emit(metrics.httpWaiting, timings.waiting, tags);
  registry.emit(metrics.httpReceiving, timings.receiving, tags);
  registry.emit(metrics.dataSent, outcome.bytesSent, vu.tags());
  registry.emit(metrics.dataReceived, outcome.bytesReceived, vu.tags());
  if (expected !== null) registry.emit(metrics.httpFailed, expected ? 0 : 1, tags);
  if (vu.lateMs !== null) {
    registry.emit(metrics.httpFromSchedule, vu.lateMs + timings.blocked + timings.duration, tags);
  }
  if (outcome.stream !== null && outcome.error === null) emitStream(vu, outcome, outcome.stream, tags);
  counters.requests++;
  if (expected === false) counters.failedRequests++;
  if (outcome.error !== null) noteUnreachable(vu, request, outcome.error);
}

function emitStream(
  vu: VirtualUser,
  outcome: HttpOutcome,
  stream: NonNullable<HttpOutcome['stream']>,
  tags: Tags,
): void {
  if (stream.firstAt === null) return;
  const { registry, metrics } = vu.run;
  const first = stream.firstAt - outcome.sentAt;
  registry.emit(metrics.ttft, first, tags);
  if (vu.lateMs !== null) {
    const { blocked, sending } = outcome.timings;
    registry.emit(metrics.ttftFromSchedule, vu.lateMs + blocked + sending + first, tags);
  }
  for (const gap of stream.gaps) registry.emit(metrics.itl, gap, tags);
}

/** Errors of the name lookup, of dialling and of the TLS handshake: nobody was there. */
function noteUnreachable({ run }: VirtualUser, request: HttpRequest, error: Error): void {
  const { code, message } = classifyError(error);
  if ((code < 1100 || code >= 1220) && code !== TLS_ERROR) return;
  run.counters.unreachable++;
  run.counters.unreachableWhy = `${request.origin}: ${message}`;
}

function tagsOf(
  vu: VirtualUser,
  request: HttpRequest,
  outcome: HttpOutcome,
  names: SampleNames,
  expected: boolean | null,
): Tags {
  const { systemTags } = vu.run.options;
  const tags: Record<string, string> = { ...vu.tags() };
  if (systemTags.has('proto')) tags['proto'] = 'HTTP/1.1';
  if (systemTags.has('status')) tags['status'] = String(outcome.status);
  if (systemTags.has('method')) tags['method'] = request.method;
  if (systemTags.has('url')) tags['url'] = request.origin + request.path;
  if (systemTags.has('name')) tags['name'] = names.name;
  if (expected !== null && systemTags.has('expected_response')) tags['expected_response'] = String(expected);
  const failed = outcome.error === null ? null : classifyError(outcome.error);
  const code = failed?.code ?? (outcome.status >= 400 ? 1000 + outcome.status : 0);
  if (code !== 0 && systemTags.has('error_code')) tags['error_code'] = String(code);
  if (failed !== null && systemTags.has('error')) tags['error'] = failed.message;
  return names.tags === undefined ? tags : Object.assign(tags, names.tags);
}
