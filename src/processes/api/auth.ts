import type { IncomingHttpHeaders } from 'node:http';
import { type ApiScope, digestMatches, parseApiKey } from '../../domain/api-key.ts';
import type { ApiStores } from '../../infrastructure/postgres/api-stores.ts';
import { type Problem, problem } from './problem.ts';

/** On whose behalf a request acts. */
export interface Principal {
  readonly tenantId: string;
  readonly credential: { readonly kind: 'api_key'; readonly id: string };
  readonly scopes: readonly ApiScope[];
}

/** Looks for its kind of credential: `absent` lets the next authenticator look, `rejected` ends the search. */
export type Authenticator = (headers: IncomingHttpHeaders) => Promise<Principal | 'absent' | 'rejected'>;

/** Tries the authenticators in order; the first credential found decides. */
export async function authenticate(
  authenticators: readonly Authenticator[],
  headers: IncomingHttpHeaders,
): Promise<Principal | Problem> {
  for (const authenticator of authenticators) {
    const found = await authenticator(headers);
    if (found === 'rejected') return INVALID_KEY;
    if (found !== 'absent') return found;
  }
  return NO_KEY;
}

/** Accepts `Authorization: Bearer <key>` and `X-API-Key: <key>`; with both, the first. */
export function apiKeyAuthenticator(stores: Pick<ApiStores, 'useApiKey'>): Authenticator {
  return async (headers) => {
    const presented = presentedKey(headers);
    if (presented === null) return 'absent';
    const parsed = parseApiKey(presented);
    if (parsed === null) return 'rejected';
    const stored = await stores.useApiKey(parsed.id);
    if (!digestMatches(parsed.digest, stored?.secretDigest ?? null) || stored === null) return 'rejected';
    return { tenantId: stored.tenantId, credential: { kind: 'api_key', id: stored.id }, scopes: stored.scopes };
  };
}

/** 403 when the principal may not do this, else null. */
export function scopeProblem(principal: Principal, scope: ApiScope): Problem | null {
  if (principal.scopes.includes(scope)) return null;
  return problem(403, 'forbidden', `This API key does not have the scope ${scope}.`);
}

function presentedKey(headers: IncomingHttpHeaders): string | null {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const header = headers['x-api-key'];
  if (typeof header === 'string') return header.trim();
  // A credential that is there but not understood is a bad one, not a missing one.
  return headers.authorization === undefined ? null : '';
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="posthorn"' };
const NO_KEY = problem(
  401,
  'unauthorized',
  'Send your API key as "Authorization: Bearer <key>" or "X-API-Key: <key>".',
  {
    headers: CHALLENGE,
  },
);
const INVALID_KEY = problem(401, 'unauthorized', 'This API key is not valid.', {
  headers: { 'www-authenticate': 'Bearer realm="posthorn", error="invalid_token"' },
});
