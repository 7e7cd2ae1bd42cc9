import { AppError } from '../../domain/errors.ts';

/** What the registry said: a body of the kind that was asked for, or a refusal with the registry's own code and words. */
export type RegistryAnswer =
  | { readonly kind: 'answered'; readonly body: Readonly<Record<string, unknown>> }
  | RegistryRefusal;

export interface RegistryRefusal {
  readonly kind: 'refused';
  readonly status: number;
  /** The registry's own number, e.g. 40403 for "no such schema". */
  readonly errorCode: number;
  readonly message: string;
}

export interface RegistryRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Below the base URL, encoded, e.g. `/schemas/ids/7`. */
  readonly path: string;
  readonly body?: unknown;
}

/** Base URL without credentials, and the credentials that stood in it. */
export interface RegistryAddress {
  readonly baseUrl: string;
  readonly credentials: { readonly username: string; readonly password: string } | null;
}

/** `http://user:password@host/base/` → address; `misconfigured` when it is not an HTTP URL. */
export function parseRegistryUrl(text: string): RegistryAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AppError('misconfigured', 'the schema registry URL must be an http or https URL');
  }
  const { username, password } = url;
  const credentials =
    username === '' ? null : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { baseUrl: `${url.origin}${url.pathname}`.replace(/\/+$/, ''), credentials };
}

/**
 * One request to the Confluent REST API. Own lines instead of the client library, because the difference between "no
 * such schema" and "no registry" decides whether events are dead-lettered or wait: the library keeps neither
 * `error_code` nor the body of a refusal, takes a proxy's HTML page for a schema, and has no deadline.
 * Rejects with `unavailable` unless the answer is one that a schema registry gives.
 */
export async function askRegistry(
  address: RegistryAddress,
  request: RegistryRequest,
  timeoutMs: number,
): Promise<RegistryAnswer> {
  const { status, text } = await exchange(address, request, timeoutMs);
  const body = parseObject(text);
  if (body !== null && status === 200) return { kind: 'answered', body };
  const { error_code: errorCode, message } = body ?? {};
  if (status >= 400 && status < 500 && typeof errorCode === 'number') {
    return {
      kind: 'refused',
      status,
      errorCode,
      message: withoutClassName(typeof message === 'string' ? message : ''),
    };
  }
  throw unavailable(address, `it answered ${request.method} ${request.path} with status ${status}`);
}

/** The failure of everything that needs a registry which does not answer as one. */
export function unavailable(address: RegistryAddress, problem: string, cause?: unknown): AppError {
  const details = { schemaRegistry: address.baseUrl };
  return new AppError('unavailable', `the schema registry cannot be used: ${problem}`, { details, cause });
}

/** A refusal that the question does not explain: somebody has to look at the registry. */
export function unexpectedAnswer(question: string, { status, errorCode, message }: RegistryRefusal): AppError {
  const words = `when ${question}, the schema registry answered ${status} (${errorCode}): ${message}`;
  return new AppError('unavailable', words, { details: { status, errorCode } });
}

async function exchange(
  address: RegistryAddress,
  request: RegistryRequest,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(`${address.baseUrl}${request.path}`, {
      method: request.method,
      headers: headersFor(address),
      body: request.body === undefined ? null : JSON.stringify(request.body),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw unavailable(address, 'it cannot be reached or does not answer in time', error);
  }
}

function headersFor({ credentials }: RegistryAddress): Record<string, string> {
  const type = 'application/vnd.schemaregistry.v1+json';
  const headers = { accept: `${type}, application/json`, 'content-type': type };
  if (credentials === null) return headers;
  const pair = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64');
  return { ...headers, authorization: `Basic ${pair}` };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null; // Not JSON: a proxy's page, for example. The caller says what that means.
  }
}

/** Apicurio starts its messages with the Java class of the error, which helps nobody who reads them. */
function withoutClassName(message: string): string {
  return message.replace(/^[\w.]+Exception: /, '');
}
