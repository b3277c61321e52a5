/** An OpenTelemetry collector as far as tests need one: takes traces by OTLP/HTTP as JSON, and gives them back by trace. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Value = { stringValue?: string; intValue?: number | string; doubleValue?: number; boolValue?: boolean };
type Pair = { key: string; value: Value };

interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: Pair[];
  readonly events?: { name: string; attributes?: Pair[] }[];
  readonly status?: { code?: number; message?: string };
}

export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty at the top of a trace. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | 'unspecified';
  /** Unix ms. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly string[];
  readonly hasFailed: boolean;
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

export async function startOtlpReceiver() {
  const spans: ReceivedSpan[] = [];
  const headers: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    headers.push(request.headers);
    if (request.url === '/v1/traces' && request.headers['content-type'] === 'application/json')
      spans.push(...read(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    spans,
    /** Of each request that came. */
    headers,
    /** For processes whose spans are to come here, without much delay. */
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    /** Those of one trace, by the time they began. */
    trace: (traceId: string) =>
      spans.filter(span => span.traceId === traceId).sort((a, b) => a.startMs - b.startMs),
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function read(body: {
  resourceSpans: { resource: { attributes: Pair[] }; scopeSpans: { spans: WireSpan[] }[] }[];
}): ReceivedSpan[] {
  return body.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) => spans.map(span => toReceived(service, span)));
  });
}

function toReceived(service: string, span: WireSpan): ReceivedSpan {
  return {
    service,
    ...{ traceId: span.traceId, spanId: span.spanId, parentId: span.parentSpanId ?? '', name: span.name },
    kind: KINDS[span.kind] ?? 'unspecified',
    startMs: Number(BigInt(span.startTimeUnixNano) / 1000n) / 1000,
    endMs: Number(BigInt(span.endTimeUnixNano) / 1000n) / 1000,
    attributes: valuesOf(span.attributes ?? []),
    events: (span.events ?? []).map(({ name }) => name),
    hasFailed: span.status?.code === 2,
  };
}

function valuesOf(pairs: readonly Pair[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => {
      const { stringValue, intValue, doubleValue, boolValue } = value;
      const number = intValue === undefined ? doubleValue : Number(intValue);
      return [key, stringValue ?? number ?? boolValue ?? ''];
    }),
  );
}
