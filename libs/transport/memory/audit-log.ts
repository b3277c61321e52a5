import { type AuditEntry, CHAIN_START, type ChainEnd, chainLine, readChainLine } from '@penstock/protocol';
import type { AuditChain, AuditLog } from '../ports/audit-log.ts';

export class MemoryAuditLog implements AuditLog {
  readonly connected = true;
  readonly #lines: string[] = [];
  #end: ChainEnd = CHAIN_START;

  async add(entry: AuditEntry): Promise<void> {
    const { line, end } = chainLine(this.#end, entry);
    this.#lines.push(line);
    this.#end = end;
  }

  async list(most: number): Promise<AuditEntry[]> {
    return this.#lines
      .flatMap(line => readChainLine(line)?.entry ?? [])
      .reverse()
      .slice(0, most);
  }

  async chain(): Promise<AuditChain> {
    return { lines: [...this.#lines], start: CHAIN_START, end: this.#end };
  }
}
