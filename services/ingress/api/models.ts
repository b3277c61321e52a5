/** OpenAI's Models API: what any worker of the region has ever announced. */
import { DispatchError, type ModelInfo } from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../http/guards.ts';
import { answer } from '../http/headers.ts';

export interface Models {
  models(): ModelInfo[];
  model(name: string): ModelInfo | undefined;
}

export class ModelsApi implements Api {
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
  }

  addTo(app: FastifyInstance, { identify }: Guards): void {
    app.get('/v1/models', { onRequest: identify }, (request, reply) =>
      answer(reply, request, { object: 'list', data: this.#models.models().map(toModel) }),
    );
    // A wildcard: model names hold slashes.
    app.get<{ Params: { '*': string } }>('/v1/models/*', { onRequest: identify }, (request, reply) => {
      const model = this.#models.model(request.params['*']);
      if (model === undefined) throw new DispatchError('model_not_found', { param: 'model' });
      return answer(reply, request, toModel(model));
    });
  }
}

function toModel(model: ModelInfo) {
  return { id: model.name, object: 'model', created: model.created, owned_by: model.ownedBy };
}
