/** What every process needs: configuration, logs, metrics, clocks and an orderly end. */
export * from './byte-budget.ts';
export * from './clock.ts';
export * from './ids.ts';
export * from './lifecycle.ts';
export * from './logger.ts';
export * from './memory.ts';
export * from './metrics.ts';
export * from './read-config.ts';
export * from './settings/bodies.ts';
export * from './settings/dispatch.ts';
export * from './settings/files.ts';
export * from './settings/keeping.ts';
export * from './settings/models.ts';
export * from './settings/notation.ts';
export * from './settings/region.ts';
export * from './settings/webhooks.ts';
