/** Stable code of an attempt that failed. `http_<status>` for answers; the rest are failures of the connection. */
export type FailureCode =
  | `http_${number}`
  | 'redirect'
  | 'timeout'
  | 'dns_not_found'
  | 'dns_failed'
  | 'dns_timeout'
  | 'connect_timeout'
  | 'connection_refused'
  | 'connection_reset'
  | 'connection_failed'
  | 'tls_certificate'
  | 'tls_hostname'
  | 'tls_protocol'
  | 'tls_client_cert'
  | 'tls_failed'
  | 'response_headers'
  | 'response_protocol'
  | 'destination_not_allowed'
  | 'secret_unreadable'
  | 'internal_error';

/** Where the time of one attempt went, microseconds; null where that step did not happen (a reused connection). */
export interface AttemptTimings {
  readonly dnsUs: number | null;
  readonly connectUs: number | null;
  readonly tlsUs: number | null;
  readonly firstByteUs: number | null;
  readonly totalUs: number;
}

/** One POST to a receiver. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Absolute deadline from before name resolution to the end of the body, milliseconds. */
  readonly timeoutMs: number;
}

/** What came of one POST. Never an exception: receivers fail for a living. */
export type SendResult =
  | {
      readonly kind: 'responded';
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[]>>;
      /** First 16 KiB of the body. */
      readonly body: Buffer;
      readonly truncated: boolean;
      readonly timings: AttemptTimings;
    }
  | {
      readonly kind: 'failed';
      readonly code: FailureCode;
      /** A sentence for people; no resolved addresses. */
      readonly message: string;
      /** Finer code for logs and metrics only, e.g. which address rule refused. */
      readonly detail: string;
      readonly timings: AttemptTimings;
    };

/** Sends one request; resolves always. */
export type SendWebhook = (request: WebhookRequest) => Promise<SendResult>;
