/** What the record on `attempts` tells of. `unknown`: written by a newer version. */
type AttemptKind = 'attempted' | 'set_aside' | 'ended' | 'webhook_state' | 'unknown';

/** What it means for the delivery: its last word so far. */
type AttemptOutcome = 'succeeded' | 'retrying' | 'dead' | 'waiting' | 'parked' | 'unknown';

/** What happened to a delivery at one moment, with the field names of `schemas/attempt.avsc`. */
export interface AttemptRecord {
  /** UUID, unique per record. */
  readonly attempt_id: string;
  readonly delivery_id: string;
  readonly webhook_id: string;
  readonly tenant_id: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly subject: string | null;
  /** The replay or resend that the delivery belongs to. */
  readonly replay_id: string | null;
  /** `created_at_ms` of the delivery: names the day of its row. */
  readonly delivery_created_at_ms: number;
  /** Number of the attempt, from 1; of the next one when none was made. */
  readonly attempt: number;
  readonly kind: AttemptKind;
  readonly outcome: AttemptOutcome;
  readonly failure_code: string | null;
  readonly failure_message: string | null;
  readonly status_code: number | null;
  /** When the attempt began or the note was made, epoch milliseconds. */
  readonly started_at_ms: number;
  readonly duration_us: number;
  readonly dns_us: number | null;
  readonly connect_us: number | null;
  readonly tls_us: number | null;
  readonly first_byte_us: number | null;
  readonly request_url: string | null;
  /** JSON, credentials masked. */
  readonly request_headers: string | null;
  /** JSON. */
  readonly response_headers: string | null;
  readonly response_body: Buffer | null;
  readonly next_attempt_at_ms: number | null;
  /** Version of the webhook's row that the attempt used. */
  readonly webhook_version: number;
  /** State to apply to the webhook, e.g. `gone`. */
  readonly webhook_state: string | null;
  /** For parked: the record as it goes to `deliveries.ready` once the webhook accepts something again. */
  readonly delivery: Buffer | null;
}
