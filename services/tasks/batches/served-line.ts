/** A line of a batch as the model that serves it gets it: aliases and defaults are for batches too. */
import { type BatchLine, type ModelInfo, servedBy } from '@penstock/protocol';

/**
 * @param model that serves what the line asks for; undefined for an unknown one: whoever takes such a line refuses it.
 * @param defaultsOf fields that requests for a model have where the client gives none.
 */
export function servedLine(
  line: BatchLine,
  model: ModelInfo | undefined,
  defaultsOf: (model: string) => Readonly<Record<string, unknown>>,
): BatchLine {
  if (model === undefined) return line;
  const defaults = defaultsOf(model.name);
  if (model.name === line.summary.model && Object.keys(defaults).length === 0) return line;
  const parsed = JSON.parse(line.body.toString('utf8')) as object;
  return servedBy(line.endpoint, line, parsed, { model: model.name, defaults }).request;
}
