import { type AuditEntry, CHAIN_START, type ChainEnd, chainLine, readChainLine } from '@penstock/protocol';
import type { AuditChain, AuditLog, AuditSearch, NumberedEntry } from '../ports/audit-log.ts';

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

  async search({ before, most, isWanted }: AuditSearch): Promise<NumberedEntry[]> {
    const all = this.#lines.flatMap(line => readChainLine(line) ?? []).reverse();
    return all
      .filter(({ seq, entry }) => seq < (before ?? Infinity) && isWanted(entry))
      .slice(0, most)
      .map(({ seq, entry }) => ({ seq, entry }));
  }

  async chain(): Promise<AuditChain> {
    return { lines: [...this.#lines], start: CHAIN_START, end: this.#end };
  }
}
