/** How a process lives. */
export * from './clock.ts';
export * from './config.ts';
export * from './files-config.ts';
export * from './ids.ts';
export * from './lifecycle.ts';
export * from './logger.ts';
export * from './memory.ts';
export * from './metrics.ts';
export * from './region-config.ts';
