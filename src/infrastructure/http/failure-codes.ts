import { NOT_ALLOWED_MESSAGE } from '../../domain/destination.ts';
import type { FailureCode } from '../../domain/send-result.ts';

/** Why an attempt got no answer: stable code, a sentence for people, a finer code for logs and metrics. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly detail: string;
}

const MESSAGES = {
  redirect: 'The receiver answered with a redirect, which is not followed.',
  timeout: 'The receiver did not answer in time.',
  dns_not_found: 'The host name does not exist or has no address.',
  dns_failed: 'The host name could not be resolved: its name servers answer with an error.',
  dns_timeout: 'The host name could not be resolved in time.',
  connect_timeout: 'The receiver did not accept the connection in time.',
  connection_refused: 'The receiver refused the connection: nothing listens on that port.',
  connection_reset: 'The receiver closed the connection before it answered.',
  connection_failed: 'The receiver could not be reached.',
  tls_certificate:
    "The receiver's certificate is not trusted: it is self-signed, incomplete, expired, not yet valid or of an unknown authority.",
  tls_hostname: "The receiver's certificate is for another host name.",
  tls_protocol: 'The receiver does not speak TLS 1.2 or newer with HTTP/1.1 on that port.',
  tls_client_cert: 'The receiver demands a client certificate.',
  tls_failed: 'The TLS handshake with the receiver failed.',
  response_headers: "The receiver's response headers are larger than 16 KiB.",
  response_protocol: "The receiver's answer is not valid HTTP/1.1.",
  destination_not_allowed: NOT_ALLOWED_MESSAGE,
  secret_unreadable: "The webhook's secret could not be read.",
  internal_error: 'The request could not be sent because of an error on our side.',
} as const satisfies Record<Exclude<FailureCode, `http_${number}`>, string>;

/** Codes of Node, OpenSSL, c-ares and undici that mean exactly one thing. */
const KNOWN: Readonly<Record<string, keyof typeof MESSAGES>> = {
  ENOTFOUND: 'dns_not_found',
  ENODATA: 'dns_not_found',
  EBADNAME: 'dns_not_found',
  ETIMEOUT: 'dns_timeout',
  ECONNREFUSED: 'connection_refused',
  ETIMEDOUT: 'connect_timeout',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  EHOSTUNREACH: 'connection_failed',
  ENETUNREACH: 'connection_failed',
  EHOSTDOWN: 'connection_failed',
  ENETDOWN: 'connection_failed',
  EADDRNOTAVAIL: 'connection_failed',
  EACCES: 'connection_failed',
  EPERM: 'connection_failed',
  EPROTO: 'tls_protocol',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_hostname',
  HOSTNAME_MISMATCH: 'tls_hostname',
  ERR_TLS_CERT_ALTNAME_FORMAT: 'tls_hostname',
  UND_ERR_SOCKET: 'connection_reset',
  UND_ERR_HEADERS_OVERFLOW: 'response_headers',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'response_protocol',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'response_protocol',
  ERR_ASSERTION: 'response_protocol',
};

const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|CRL_|ERROR_IN_CERT|ERR_TLS_CERT)/;
const TLS_VERSION =
  /WRONG_VERSION|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|APPLICATION_PROTOCOL|NO_SHARED_CIPHER|PACKET_LENGTH|HTTP_REQUEST|UNEXPECTED_MESSAGE|RECORD/;
/** What servers answer when our (missing) client certificate does not please them. */
const CLIENT_CERTIFICATE = /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|NO_CERTIFICATE|CERTIFICATE_UNKNOWN)/;

/** A failure by its stable code; `detail` defaults to the code. */
export function failure(code: keyof typeof MESSAGES, detail: string = code): Failure {
  return { code, message: MESSAGES[code], detail };
}

/** The failure behind an error of Node or undici; what is unknown is ours (`internal_error`), so that it gets noticed. */
export function failureOf(error: unknown): Failure {
  const { code, message } = codeAndMessage(error);
  const detail = code === '' ? 'unknown' : code.toLowerCase();
  if (code === 'UND_ERR_SOCKET' && /^bad (upgrade|response)/.test(message))
    return failure('response_protocol', message.replaceAll(' ', '_'));
  const known = KNOWN[code];
  if (known !== undefined) return failure(known, detail);
  if (code.startsWith('HPE_')) return failure('response_protocol', detail);
  if (CERTIFICATE.test(code)) return failure('tls_certificate', detail);
  if (code.startsWith('ERR_SSL_')) return failure(tlsCode(code), detail);
  return failure('internal_error', detail);
}

/** As `failureOf`, for name resolution: every answer that is neither "no such name" nor silence is a failure of the servers. */
export function dnsFailureOf(error: unknown): Failure {
  const found = failureOf(error);
  return found.code.startsWith('dns_') ? found : failure('dns_failed', found.detail);
}

function tlsCode(code: string): 'tls_client_cert' | 'tls_protocol' | 'tls_failed' {
  if (CLIENT_CERTIFICATE.test(code)) return 'tls_client_cert';
  return TLS_VERSION.test(code) ? 'tls_protocol' : 'tls_failed';
}

function codeAndMessage(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: '', message: '' };
  if ('code' in error && typeof error.code === 'string') return { code: error.code, message: error.message };
  // Undici names only some of the parser's errors by a code.
  return { code: error.name === 'HTTPParserError' ? 'HPE_UNNAMED' : '', message: error.message };
}
