import { parseRetryAfter } from './retry-after.ts';
import type { FailureCode, SendResult } from './send-result.ts';

/** What an attempt meant for its delivery and its webhook. */
export type AttemptOutcome =
  | { readonly kind: 'succeeded'; readonly status: number }
  /** 410: the receiver wants nothing more; disables the webhook. */
  | { readonly kind: 'gone'; readonly status: number; readonly code: FailureCode; readonly message: string }
  /** 429 or 503: slow this webhook down; `retryAfterMs` from now when the receiver named a usable time. */
  | {
      readonly kind: 'throttled';
      readonly status: number;
      readonly code: FailureCode;
      readonly message: string;
      readonly retryAfterMs: number | null;
    }
  /** Everything else; `status` is null when no answer came. */
  | { readonly kind: 'failed'; readonly status: number | null; readonly code: FailureCode; readonly message: string };

/** Reads the meaning of one attempt (Standard Webhooks, "result semantics"): the status decides, the body never does. */
export function outcomeOf(result: SendResult, nowMs: number): AttemptOutcome {
  if (result.kind === 'failed') return { kind: 'failed', status: null, code: result.code, message: result.message };
  const { status } = result;
  if (status >= 200 && status < 300) return { kind: 'succeeded', status };
  const code: FailureCode = status >= 300 && status < 400 ? 'redirect' : `http_${status}`;
  const message = statusMessage(status);
  if (status === 410) return { kind: 'gone', status, code, message };
  if (status !== 429 && status !== 503) return { kind: 'failed', status, code, message };
  return {
    kind: 'throttled',
    status,
    code,
    message,
    retryAfterMs: parseRetryAfter(result.headers['retry-after'], nowMs),
  };
}

/** `HTTP 404: Not Found`; redirects add that they are not followed. */
export function statusMessage(status: number): string {
  const reason = REASONS[status];
  const text = reason === undefined ? `HTTP ${status}` : `HTTP ${status}: ${reason}`;
  return status >= 300 && status < 400 ? `${text} (redirects are not followed)` : text;
}

const REASONS: Readonly<Record<number, string>> = {
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Payload Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  418: "I'm a Teapot",
  421: 'Misdirected Request',
  422: 'Unprocessable Entity',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  511: 'Network Authentication Required',
};
