/** OpenAI's Models API: what workers of the region serve now, with what their engines tell of it beyond OpenAI's fields. */
import { mayAsk } from '@penstock/access';
import { DispatchError, type ModelInfo } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Api, Guards } from '../http/guards.ts';
import { answer } from '../http/headers.ts';
import { absent, type Listening, notKnownYet } from '../intake/absent.ts';
import { refuseModel } from '../intake/permitted.ts';

export interface Models extends Listening {
  /** Served now. */
  models(): ModelInfo[];
  /** The model that a name stands for. */
  target(name: string): string;
}

export class ModelsApi implements Api {
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
  }

  addTo(app: FastifyInstance, { know: onRequest }: Guards): void {
    app.get('/v1/models', { onRequest }, (request, reply) => {
      const data = this.#models.models();
      const problem = data.length === 0 ? notKnownYet(this.#models) : null;
      if (problem !== null) throw problem;
      return answer(reply, request, { object: 'list', data: this.#shownTo(request, data).map(toModel) });
    });
    // A wildcard: model names hold slashes.
    app.get<{ Params: { '*': string } }>('/v1/models/*', { onRequest }, (request, reply) => {
      const model = this.#models.models().find(({ name }) => name === request.params['*']);
      if (model === undefined)
        throw absent(this.#models, new DispatchError('model_not_found', { param: 'model' }));
      const targetOf = (name: string) => this.#models.target(name);
      refuseModel(request.caller.permissions, targetOf(model.name), targetOf);
      return answer(reply, request, toModel(model));
    });
  }

  /** Under the name of an alias, the model that it stands for. */
  #shownTo({ caller }: Pick<FastifyRequest, 'caller'>, models: readonly ModelInfo[]): ModelInfo[] {
    const targetOf = (name: string) => this.#models.target(name);
    return models.filter(({ name }) => mayAsk(caller.permissions, targetOf(name), targetOf));
  }
}

/** What the engine does not tell is left out, as at OpenAI; but whoever has one of these fields has them all, as at vLLM. */
function toModel({ name, created, ownedBy, maxModelLen, root, parent }: ModelInfo) {
  const isTold = (maxModelLen ?? root ?? parent) !== undefined;
  return {
    ...{ id: name, object: 'model', created, owned_by: ownedBy },
    ...(isTold ? { root: root ?? name, parent: parent ?? null, max_model_len: maxModelLen ?? null } : {}),
  };
}
