/** Waiting that has an end: what is asked of a server may never be answered. */

/** What is answered in time, or fails in it. @throws Error where it takes longer; what comes after all is of nobody's interest. */
export async function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const overdue = () => reject(new Error(`no answer in ${limitMs} ms`));
    // Where this process got no processor, the answer may be there unread: timers run before sockets are read.
    timer = setTimeout(() => setImmediate(overdue), limitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
