/**
 * Tools of a response, as an engine's chat API has them: functions alone. A custom tool becomes a function with one text, `input`; the tools
 * of a namespace become functions whose names begin with it; tools that OpenAI hosts are left out. On the way back a call of a function is told as
 * one of the tool that the client knows.
 */
import { hash } from 'node:crypto';
import { refuseAt } from './fields.ts';

type Json = Record<string, unknown>;

/** A tool as its client knows it. */
export interface KnownTool {
  readonly kind: 'function' | 'custom';
  readonly name: string;
  readonly namespace: string | null;
}

interface ListedTool extends KnownTool {
  /** The client's definition. */
  readonly tool: Json;
  /** The function's name at the engine. */
  readonly engineName: string;
}

/** Longest name of a function that engines take, characters. */
const MAX_NAME = 64;

export class ToolBook {
  readonly #byEngineName = new Map<string, ListedTool>();
  readonly #byName = new Map<string, ListedTool>();
  /** Types of the tools that are left out, each once. */
  readonly omitted: readonly string[];

  /** @param tools as the client sent them. @throws DispatchError that names the tool without a name. */
  constructor(tools: readonly Json[]) {
    const omitted = new Set<string>();
    for (const [i, tool] of tools.entries()) {
      const at = `tools[${i}]`;
      const inner = tool['type'] === 'namespace' ? tool['tools'] : null;
      if (Array.isArray(inner)) {
        const namespace = nameIn(tool, at);
        for (const [j, one] of inner.entries()) this.#list(one, namespace, `${at}.tools[${j}]`, omitted);
      } else this.#list(tool, null, at, omitted);
    }
    this.omitted = [...omitted];
  }

  #list(tool: unknown, namespace: string | null, at: string, omitted: Set<string>): void {
    const { type } = (tool ?? {}) as Json;
    if (type !== 'function' && type !== 'custom') {
      omitted.add(String(type));
      return;
    }
    const name = nameIn(tool as Json, at);
    const flat = namespace === null ? name : flatName(namespace, name);
    const engineName = this.#byEngineName.has(flat) ? shortened(`${flat}_${this.#byName.size}`) : flat;
    const listed = { kind: type, name, namespace, tool: tool as Json, engineName } as const;
    this.#byEngineName.set(engineName, listed);
    this.#byName.set(keyOf(namespace, name), listed);
  }

  /** The tool that an engine's call is for; an engine may make names up. */
  called(engineName: string): KnownTool {
    return this.#byEngineName.get(engineName) ?? { kind: 'function', name: engineName, namespace: null };
  }

  /** The function's name at the engine; tools of earlier turns need not be listed. */
  engineName(namespace: string | null, name: string): string {
    const listed = this.#byName.get(keyOf(namespace, name));
    return listed?.engineName ?? (namespace === null ? name : flatName(namespace, name));
  }

  /** For the engine. @param only engine's names; null for all. */
  functions(only: ReadonlySet<string> | null): object[] {
    return [...this.#byEngineName.values()]
      .filter(({ engineName }) => only === null || only.has(engineName))
      .map(({ kind, tool, engineName }) => ({
        type: 'function',
        function: { name: engineName, ...(kind === 'custom' ? customFunction(tool) : plainFunction(tool)) },
      }));
  }
}

const keyOf = (namespace: string | null, name: string) => JSON.stringify([namespace, name]);

function nameIn(tool: Json, at: string): string {
  const { name } = tool;
  if (typeof name === 'string' && name !== '') return name;
  return refuseAt(`${at}.name`, 'expected a string that is not empty');
}

function flatName(namespace: string, name: string): string {
  return shortened(namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`);
}

function shortened(name: string): string {
  const clean = name.replaceAll(/[^\w-]/g, '_');
  if (clean === name && name.length <= MAX_NAME) return name;
  return `${clean.slice(0, MAX_NAME - 9)}_${hash('sha1', name).slice(0, 8)}`;
}

/** Engines take what is null for a text or an object. */
function plainFunction({ description, parameters, strict }: Json): Json {
  return Object.fromEntries(
    Object.entries({ description, parameters, strict }).filter(([, value]) => value !== null),
  );
}

function customFunction({ description, format }: Json): Json {
  const { syntax, definition } = (format ?? {}) as Json;
  const rule =
    typeof definition === 'string'
      ? [`The input must match this ${syntax ?? ''} grammar:\n${definition}`]
      : [];
  const input = { type: 'string', description: 'The input of the tool, as plain text.' };
  return {
    description: [...(typeof description === 'string' ? [description] : []), ...rule].join('\n\n'),
    parameters: { type: 'object', properties: { input }, required: ['input'], additionalProperties: false },
  };
}

/** Which tools an engine is offered, and which it has to call. */
export interface ToolFields {
  readonly tools?: readonly object[];
  readonly tool_choice?: unknown;
}

/** @throws DispatchError for a choice that is none. */
export function toolFields(book: ToolBook, choice: string | Json | null): ToolFields {
  const { only, tool_choice } = chosen(book, choice);
  const tools = book.functions(only);
  // Engines refuse a choice among no tools.
  if (tools.length === 0) return {};
  return { tools, ...(tool_choice === undefined ? {} : { tool_choice }) };
}

function chosen(
  book: ToolBook,
  choice: string | Json | null,
): { only: Set<string> | null; tool_choice: unknown } {
  if (choice === null) return { only: null, tool_choice: undefined };
  if (typeof choice === 'string') return { only: null, tool_choice: choice };
  const { type } = choice;
  if (type === 'allowed_tools') {
    const allowed = Array.isArray(choice['tools']) ? (choice['tools'] as (Json | null)[]) : [];
    const only = new Set(allowed.flatMap((tool, i) => nameChosen(book, tool, `tool_choice.tools[${i}]`)));
    return { only, tool_choice: choice['mode'] === 'required' ? 'required' : 'auto' };
  }
  const [name] = nameChosen(book, choice, 'tool_choice');
  return {
    only: null,
    tool_choice: name === undefined ? undefined : { type: 'function', function: { name } },
  };
}

/** The engine's name of a chosen tool; none for a tool that is left out. */
function nameChosen(book: ToolBook, choice: Json | null, at: string): string[] {
  if (typeof choice !== 'object' || choice === null) return refuseAt(at, 'expected an object with a type');
  if (choice['type'] !== 'function' && choice['type'] !== 'custom') return [];
  const { namespace } = choice;
  return [book.engineName(typeof namespace === 'string' ? namespace : null, nameIn(choice, at))];
}
