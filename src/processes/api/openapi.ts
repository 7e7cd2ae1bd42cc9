import { STATUS_CODES } from 'node:http';
import type { JsonSchema } from './guard.ts';
import type { Route } from './route.ts';
import { answerSchema } from './webhook-schemas.ts';

/** An OpenAPI 3.1 document, as far as we look into it ourselves. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: JsonSchema;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly parameters: readonly JsonSchema[];
  readonly requestBody?: {
    readonly required: true;
    readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>;
  };
  readonly responses: Readonly<Record<string, OperationResponse>>;
}

interface OperationResponse {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>>;
}

/** Describes the routes with the very schemas that check their requests. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Posthorn Webhooks API', version, description: INTRODUCTION },
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

const INTRODUCTION =
  'Manage webhooks programmatically: subscribe to event types and receive signed notifications. Every path also works ' +
  'without its trailing slash. Refusals are RFC 9457 problems with a stable `code` and the errors field by field.';

const PROBLEM: JsonSchema = {
  ...answerSchema({
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string', pattern: '^[a-z][a-z0-9_]*$' },
    errors: {
      type: 'array',
      items: answerSchema({ field: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } }),
    },
  }),
  description: 'RFC 9457 problem',
};

function operationOf(route: Route): Operation & JsonSchema {
  const parameters = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const body = route.bodySchema;
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: route.description,
    tags: [route.tag],
    security: [{ bearer: [] }, { apiKey: [] }],
    parameters,
    ...(body === null ? {} : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: { ...documentedResponses(route), ...refusals(route, parameters.length > 0) },
  };
}

function documentedResponses(route: Route): Record<string, OperationResponse> {
  const entries = Object.entries(route.responses).map(([status, docs]) => [
    status,
    { description: docs.description, content: { 'application/json': { schema: docs.schema, example: docs.example } } },
  ]);
  return Object.fromEntries(entries);
}

function refusals(route: Route, hasId: boolean): Record<string, OperationResponse> {
  const statuses = [
    401,
    403,
    429,
    500,
    503,
    ...(route.bodySchema === null ? [] : [400, 413, 415]),
    ...(hasId ? [404] : []),
  ];
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  return Object.fromEntries(statuses.map((status) => [status, { description: STATUS_CODES[status] ?? '', content }]));
}
