/** Templates: `htm` bound to preact. */
import htm from 'htm';
import { h, type VNode } from 'preact';

/** One element at the top. */
export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
