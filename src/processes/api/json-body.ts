import type { Context } from 'koa';
import bodyParser from 'koa-bodyparser';
import { type Problem, problem } from './problem.ts';

/** The largest body that is read. */
const MAX_BODY_BYTES = 262_144;

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json *(?:; *charset *= *"?utf-?8"? *)?;? *$/i;

/** The JSON value of the body, or why there is none: too large, then not JSON by its type, then not JSON. */
export async function readJsonBody(context: Context): Promise<{ readonly value: unknown } | Problem> {
  if (Number(context.get('content-length')) > MAX_BODY_BYTES) return refuse(context, TOO_LARGE);
  await parse(context, async () => undefined);
  const failure: unknown = context.state['bodyFailure'];
  if (statusOf(failure) === 413) return refuse(context, TOO_LARGE);
  if (statusOf(failure) === 415) return refuse(context, UNKNOWN_ENCODING);
  if (!JSON_TYPE.test(context.get('content-type'))) return refuse(context, WRONG_TYPE);
  if (failure !== undefined || context.request.rawBody === '') return refuse(context, MALFORMED);
  return { value: context.request.body };
}

/** Reads every body as JSON, whatever its type claims: its size is judged before its type, and its type before its text. */
const parse = bodyParser({
  enableTypes: ['json'],
  jsonLimit: `${MAX_BODY_BYTES}b`,
  strict: false,
  detectJSON: () => true,
  onerror: (error, context) => {
    context.state['bodyFailure'] = error;
  },
});

/** What we do not want to know is still read off the connection, so that the client reads our answer and not a reset. */
function refuse(context: Context, refusal: Problem): Problem {
  context.req.unpipe();
  context.req.resume();
  return refusal;
}

function statusOf(failure: unknown): number | undefined {
  if (!(failure instanceof Error) || !('status' in failure)) return undefined;
  return typeof failure.status === 'number' ? failure.status : undefined;
}

const TOO_LARGE = problem(413, 'payload_too_large', `The body must not be larger than ${MAX_BODY_BYTES} bytes.`);
const WRONG_TYPE = problem(415, 'unsupported_media_type', 'Send the body as content-type: application/json in UTF-8.');
const UNKNOWN_ENCODING = problem(415, 'unsupported_media_type', 'This content-encoding is not supported.');
const MALFORMED = problem(400, 'malformed_json', 'The body is not valid JSON.', {
  errors: [{ field: '', code: 'malformed_json', message: 'is not valid JSON' }],
});
