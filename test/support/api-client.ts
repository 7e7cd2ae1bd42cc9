import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { OpenApiDocument } from '../../src/processes/api/openapi.ts';

export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null for a body that is none. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface ApiRequestOptions {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the API as a customer would, and checks each answer against the API's own OpenAPI document. */
export class ApiClient {
  readonly #baseUrl: string;
  readonly #apiKey: string | null;
  readonly #contract: OpenApiContract;

  constructor(baseUrl: string, apiKey: string | null, contract: OpenApiContract) {
    this.#baseUrl = baseUrl;
    this.#apiKey = apiKey;
    this.#contract = contract;
  }

  /** The same API with another key, or none. */
  withKey(apiKey: string | null): ApiClient {
    return new ApiClient(this.#baseUrl, apiKey, this.#contract);
  }

  async request(method: string, path: string, options: ApiRequestOptions = {}): Promise<ApiResponse> {
    const body = options.json === undefined ? options.raw : JSON.stringify(options.json);
    const response = await fetch(this.#baseUrl + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.#apiKey === null ? {} : { authorization: `Bearer ${this.#apiKey}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
    const text = await response.text();
    const answer = { status: response.status, headers: response.headers, text, body: parsed(text) };
    this.#contract.assertKept(method, path, answer);
    return answer;
  }

  get(path: string, options?: ApiRequestOptions): Promise<ApiResponse> {
    return this.request('GET', path, options);
  }

  post(path: string, json: unknown): Promise<ApiResponse> {
    return this.request('POST', path, { json });
  }

  patch(path: string, json: unknown): Promise<ApiResponse> {
    return this.request('PATCH', path, { json });
  }

  delete(path: string): Promise<ApiResponse> {
    return this.request('DELETE', path);
  }
}

/** What the OpenAPI document promises for each answer. */
export class OpenApiContract {
  readonly #document: OpenApiDocument;
  readonly #ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
  readonly #validators = new Map<object, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#ajv.addFormat('text', true);
    this.#ajv.addSchema({ $id: 'https://posthorn.invalid/openapi.json', components: document.components });
  }

  static async of(baseUrl: string): Promise<OpenApiContract> {
    const response = await fetch(`${baseUrl}/openapi.json`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test reads what the server says of itself
    return new OpenApiContract((await response.json()) as OpenApiDocument);
  }

  /** Throws unless the document allows this answer. Addresses and methods it does not know must answer with a problem. */
  assertKept(method: string, path: string, answer: ApiResponse): void {
    for (const header of ['x-request-id', 'content-security-policy']) this.#assertHeader(answer, header, null);
    this.#assertHeader(answer, 'x-content-type-options', 'nosniff');
    this.#assertHeader(answer, 'cache-control', 'no-store');
    if (method === 'HEAD' || path === '/docs' || path === '/openapi.json') return;
    const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? '';
    const schema = this.#schemaFor(method, path, answer.status, type);
    const validate = this.#validators.get(schema) ?? this.#ajv.compile(withAbsoluteReferences(schema));
    this.#validators.set(schema, validate);
    if (validate(answer.body)) return;
    throw new Error(
      `${method} ${path} broke the OpenAPI document: ${this.#ajv.errorsText(validate.errors)}\n${answer.text}`,
    );
  }

  #schemaFor(method: string, path: string, status: number, type: string): object {
    const operation = this.#operationFor(method, path);
    if (operation === undefined)
      return [404, 405].includes(status) ? PROBLEM : fail(`${method} ${path}: undocumented ${status}`);
    const content = operation.responses[String(status)]?.content[type];
    return content?.schema ?? fail(`${method} ${path}: ${status} with ${type} is not documented`);
  }

  #operationFor(method: string, path: string) {
    const asked = `${(path.split('?')[0] ?? '').replace(/\/$/, '')}/`;
    const templates = Object.keys(this.#document.paths).toSorted(
      (a, b) => Number(a.includes('{')) - Number(b.includes('{')),
    );
    const template = templates.find((candidate) => patternOf(candidate).test(asked));
    return template === undefined ? undefined : this.#document.paths[template]?.[method.toLowerCase()];
  }

  #assertHeader(answer: ApiResponse, name: string, value: string | null): void {
    const actual = answer.headers.get(name);
    if (actual === null || (value !== null && actual !== value)) throw new Error(`the header ${name} is ${actual}`);
  }
}

const PROBLEM = { $ref: '#/components/schemas/Problem' };

function patternOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}

function withAbsoluteReferences(schema: object): object {
  return JSON.parse(
    JSON.stringify(schema).replaceAll('"#/components/', '"https://posthorn.invalid/openapi.json#/components/'),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fail(message: string): never {
  throw new Error(message);
}
