/** Globals of k6 that its type package leaves out. */
declare function setTimeout(callback: () => void, ms: number): number;
declare const console: { log(...values: unknown[]): void; warn(...values: unknown[]): void };
