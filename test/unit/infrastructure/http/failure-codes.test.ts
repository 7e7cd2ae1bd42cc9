import { describe, expect, it } from 'vitest';
import { dnsFailureOf, failureOf } from '../../../../src/infrastructure/http/failure-codes.ts';

function error(code: string, message = 'x'): Error {
  return Object.assign(new Error(message), { code });
}

describe('failureOf', () => {
  it.each([
    ['ENOTFOUND', 'dns_not_found'],
    ['ENODATA', 'dns_not_found'],
    ['ETIMEOUT', 'dns_timeout'],
    ['ECONNREFUSED', 'connection_refused'],
    ['ETIMEDOUT', 'connect_timeout'],
    ['ECONNRESET', 'connection_reset'],
    ['EPIPE', 'connection_reset'],
    ['EHOSTUNREACH', 'connection_failed'],
    ['ENETUNREACH', 'connection_failed'],
    ['EPROTO', 'tls_protocol'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_protocol'],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'tls_protocol'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls_protocol'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'tls_protocol'],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'tls_protocol'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls_client_cert'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'tls_client_cert'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'tls_failed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_hostname'],
    ['CERT_HAS_EXPIRED', 'tls_certificate'],
    ['CERT_NOT_YET_VALID', 'tls_certificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_certificate'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_certificate'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls_certificate'],
    ['UND_ERR_SOCKET', 'connection_reset'],
    ['UND_ERR_HEADERS_OVERFLOW', 'response_headers'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'response_protocol'],
    ['HPE_INVALID_CONSTANT', 'response_protocol'],
    ['ERR_ASSERTION', 'response_protocol'],
    ['UND_ERR_INVALID_ARG', 'internal_error'],
    ['EMFILE', 'internal_error'],
    ['SOMETHING_NEW', 'internal_error'],
  ])('calls %s %s', (code, expected) => {
    expect(failureOf(error(code))).toMatchObject({ code: expected, detail: code.toLowerCase() });
  });

  it.each(['bad upgrade', 'bad response'])('calls a socket that undici found %j to be no HTTP', (message) => {
    expect(failureOf(error('UND_ERR_SOCKET', message)).code).toBe('response_protocol');
  });

  it.each([null, undefined, 'text', new Error('without a code'), 7])('does not stumble over %j', (thrown) => {
    expect(failureOf(thrown)).toMatchObject({ code: 'internal_error', detail: 'unknown' });
  });

  it('never repeats what an error says, which may hold addresses', () => {
    const found = failureOf(error('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.5:443'));
    expect(JSON.stringify(found)).not.toContain('10.0.0.5');
  });
});

describe('dnsFailureOf', () => {
  it.each([
    ['ENOTFOUND', 'dns_not_found'],
    ['ETIMEOUT', 'dns_timeout'],
    ['ECONNREFUSED', 'dns_failed'],
    ['ESERVFAIL', 'dns_failed'],
    ['EBADRESP', 'dns_failed'],
  ])('calls %s %s', (code, expected) => {
    expect(dnsFailureOf(error(code)).code).toBe(expected);
  });
});
