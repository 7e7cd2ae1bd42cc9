/** Every error code that the product raises on purpose; the API and the CLI turn them into words for people. */
export type AppErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'limit_reached'
  | 'unavailable'
  | 'misconfigured'
  | 'publish_failed'
  | 'schema_incompatible'
  | 'secret_unreadable';

/** A failure with a stable code. The message is a sentence that says what to do; `details` carries ids, never secrets. */
export class AppError extends Error {
  readonly code: AppErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: AppErrorCode,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }
}
