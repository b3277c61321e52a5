/** Takes the answer of one call to the engine. */
export interface EngineHandlers {
  /** @param retryAfterMs pause that the engine asks for; null where it names none. */
  start(status: number, contentType: string, retryAfterMs?: number | null): void;
  data(bytes: Buffer): void;
  end(): void;
  error(error: Error): void;
}
