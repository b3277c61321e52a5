/** How full Redis is. */
import type { Redis } from 'ioredis';

/** Null where it has no `maxmemory`. */
export async function memoryOf(redis: Redis): Promise<{ usedBytes: number; mostBytes: number | null }> {
  const memory = await redis.info('memory');
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  return { usedBytes: field('used_memory'), mostBytes: field('maxmemory') || null };
}
