/**
 * Sends a command that may be carried out twice, and sends it again when the connection is lost. The client does that itself
 * except for a pipeline that was answered in part, and all commands of one turn of the event loop form one pipeline.
 */
export async function resent<T>(send: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await send();
    } catch (err) {
      if ((err as Error).name !== 'AbortError') throw err;
    }
  }
}
