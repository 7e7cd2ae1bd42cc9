import type { Catalogue } from '../../domain/catalogue.ts';
import { answer, type Route, type RouteDocs, route } from './route.ts';
import { answerSchema } from './webhook-schemas.ts';

const EVENT_TYPE = answerSchema({
  event_type: { type: 'string' },
  description: { type: 'string' },
  json_schema: { type: 'object', description: 'JSON Schema of `data`' },
  sample: { type: 'object', description: 'A realistic `data`' },
});

const DOCS = {
  method: 'get',
  path: '/api/v1/event-types/',
  operationId: 'listEventTypes',
  tag: 'Event types',
  summary: 'List Event Types',
  description: 'The catalogue: every event type to which a webhook can subscribe, besides `all` and `test`.',
  scope: 'webhooks:read',
  responses: {
    200: {
      description: 'The catalogue, sorted by type',
      schema: answerSchema({ event_types: { type: 'array', items: EVENT_TYPE } }),
      example: {
        event_types: [
          {
            event_type: 'case.opened',
            description: 'New case opened for investigation',
            json_schema: { type: 'object', properties: { case_id: { type: 'string' } } },
            sample: { case_id: 'case_7Kd2' },
          },
        ],
      },
    },
  },
} as const satisfies RouteDocs;

/** The catalogue with a description, a JSON Schema and a sample of each type. */
export function eventTypeRoutes(catalogue: Pick<Catalogue, 'all'>): readonly Route[] {
  return [
    route(DOCS, async () =>
      answer(200, {
        event_types: [...catalogue.all()].map((eventType) => ({
          event_type: eventType.type,
          description: eventType.description,
          json_schema: eventType.jsonSchema,
          sample: eventType.sample,
        })),
      }),
    ),
  ];
}
