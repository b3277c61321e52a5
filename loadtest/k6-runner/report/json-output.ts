/** `--out json=FILE`: one line of JSON for each metric and each sample, in the form that k6 documents. */
import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Metric, SampleOutput, Tags } from '../metrics/metrics.ts';
import type { ThresholdSpec } from '../options/thresholds.ts';
import { EXIT, RunFailure } from '../outcome/failure.ts';

const CHUNK = 64 * 1024;
/** Longest delay until a sample is in the file, ms. */
const FLUSH_MS = 200;
/** More waiting than this means that the disk cannot follow. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;

export class JsonOutput implements SampleOutput {
  readonly #file: WriteStream;
  readonly #thresholds: readonly ThresholdSpec[];
  readonly #declared = new Set<Metric>();
  readonly #tagTexts = new WeakMap<Tags, string>();
  readonly #timer: NodeJS.Timeout;
  #text = '';
  #at = 0;
  #time = '';
  #error: Error | null = null;

  /** @throws RunFailure when the file cannot be written: better before the run than after it. */
  constructor(path: string, thresholds: readonly ThresholdSpec[]) {
    this.#thresholds = thresholds;
    this.#file = createWriteStream(path, { fd: openForWriting(path) });
    this.#file.on('error', error => {
      this.#error = error;
    });
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS).unref();
  }

  sample(metric: Metric, value: number, tags: Tags, at: number): void {
    if (!this.#declared.has(metric)) this.#declare(metric);
    if (at !== this.#at) {
      this.#at = at;
      this.#time = new Date(at).toISOString();
    }
    this.#text += `{"metric":"${metric.name}","type":"Point","data":{"time":"${this.#time}","value":${value},"tags":${this.#textOf(tags)}}}\n`;
    if (this.#text.length > CHUNK) this.#flush();
  }

  /** @throws when it could not be written. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    this.#file.end();
    if (this.#error === null) await finished(this.#file);
    if (this.#error !== null) throw this.#error;
  }

  #declare(metric: Metric): void {
    this.#declared.add(metric);
    const { name, type, contains, submetrics } = metric;
    const line = {
      type: 'Metric',
      data: {
        name,
        type,
        contains,
        thresholds: this.#thresholds.filter(each => each.selector === name).map(each => each.source),
        submetrics:
          submetrics.length === 0 ? null : submetrics.map(each => ({ name: each.name, tags: each.tags })),
      },
      metric: name,
    };
    this.#text += `${JSON.stringify(line)}\n`;
  }

  /** The samples of one exchange share their tags. */
  #textOf(tags: Tags): string {
    let text = this.#tagTexts.get(tags);
    if (text === undefined) {
      text = JSON.stringify(tags);
      this.#tagTexts.set(tags, text);
    }
    return text;
  }

  #flush(): void {
    if (this.#error !== null || this.#text === '') return;
    this.#file.write(this.#text);
    this.#text = '';
    if (this.#file.writableLength > MAX_WAITING_BYTES) {
      this.#error = new Error(`the disk cannot follow ${this.#file.path}`);
      this.#file.destroy();
    }
  }
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new RunFailure(EXIT.invalidConfig, `cannot write the samples: ${(error as Error).message}`);
  }
}
