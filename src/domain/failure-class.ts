import type { FailureCode } from './send-result.ts';

/** The group of a failure code: few, for metrics. */
export function failureClassOf(code: FailureCode): string {
  return isHttpCode(code) ? httpClassOf(Number(code.slice('http_'.length))) : CLASSES[code];
}

function isHttpCode(code: FailureCode): code is `http_${number}` {
  return code.startsWith('http_');
}

function httpClassOf(status: number): string {
  return `http_${Math.floor(status / 100)}xx`;
}

const CLASSES: Readonly<Record<Exclude<FailureCode, `http_${number}`>, string>> = {
  redirect: 'redirect',
  timeout: 'timeout',
  dns_not_found: 'dns',
  dns_failed: 'dns',
  dns_timeout: 'dns',
  connect_timeout: 'connect',
  connection_refused: 'connect',
  connection_reset: 'connect',
  connection_failed: 'connect',
  tls_certificate: 'tls',
  tls_hostname: 'tls',
  tls_protocol: 'tls',
  tls_client_cert: 'tls',
  tls_failed: 'tls',
  response_headers: 'response',
  response_protocol: 'response',
  destination_not_allowed: 'not_allowed',
  secret_unreadable: 'internal',
  internal_error: 'internal',
};
