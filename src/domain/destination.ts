import { canonicalAddress, type EgressPolicy, isNamedByOperator, judgeAddress } from './address-policy.ts';
import { hostProblem } from './host-policy.ts';
import { checkNameCharacters, checkUrlText, type UrlTextCode, type UrlTextProblem } from './url-grammar.ts';

/** Public codes of a refused URL: what is wrong with the text, or the one neutral code for every host and address. */
export type UrlRefusalCode = UrlTextCode | 'destination_not_allowed';

/** The normalised URL to store, or why it is refused. `detail` is for logs and metrics only. */
export type UrlCheck =
  | { readonly ok: true; readonly url: string }
  | { readonly ok: false; readonly code: UrlRefusalCode; readonly message: string; readonly detail: string };

/** The one public sentence for every refused host or address: it must not tell what lies behind a name. */
export const NOT_ALLOWED_MESSAGE = 'This destination is not allowed: webhooks go to public internet hosts only.';

/** `localhost` never reaches a resolver: these are its addresses, as far as the operator named them. */
const LOCALHOST_ADDRESSES = ['127.0.0.1', '::1'] as const;

/**
 * Judges a webhook URL by its text, when it is saved and again before each new connection. Names are not resolved here;
 * their addresses are judged when they are used.
 */
export function checkUrl(raw: string, policy: EgressPolicy): UrlCheck {
  const problem = checkUrlText(raw, policy.allowHttp);
  if (problem !== null) return refused(problem);
  const parsed = URL.parse(raw);
  if (parsed === null || URL.parse(parsed.href)?.href !== parsed.href) return refused(UNREADABLE);
  const hostRefusal = destinationProblem(parsed, policy);
  if (hostRefusal !== null)
    return { ok: false, code: 'destination_not_allowed', message: NOT_ALLOWED_MESSAGE, detail: hostRefusal };
  const textProblem = checkNameCharacters(raw) ?? portProblem(parsed, policy);
  return textProblem === null ? { ok: true, url: parsed.href } : refused(textProblem);
}

/** The address in a parsed URL's host, or null when it is a name. */
export function literalAddressOf(hostname: string): string | null {
  return canonicalAddress(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname);
}

/** The addresses that `localhost` stands for under this policy; none unless the operator named loopback. */
export function localhostAddresses(policy: EgressPolicy): readonly string[] {
  return LOCALHOST_ADDRESSES.filter((address) => isNamedByOperator(address, policy));
}

function destinationProblem(parsed: URL, policy: EgressPolicy): string | null {
  const { hostname } = parsed;
  if (isOwnHost(parsed, policy)) return 'own_host';
  const address = literalAddressOf(hostname);
  if (address !== null) return literalProblem(address, policy);
  if (hostname === 'localhost') return localhostAddresses(policy).length > 0 ? null : 'host_forbidden';
  return hostProblem(hostname);
}

function literalProblem(address: string, policy: EgressPolicy): string | null {
  if (isNamedByOperator(address, policy)) return null;
  const judgement = judgeAddress(address, policy);
  if (judgement !== 'allowed') return `address_${judgement.refused}`;
  return policy.allowIpLiterals ? null : 'ip_literal';
}

function isOwnHost(parsed: URL, policy: EgressPolicy): boolean {
  const port = effectivePort(parsed);
  return policy.ownHosts.some((own) => {
    const [host, ownPort] = splitPort(own.toLowerCase());
    const sameHost = parsed.hostname === host || parsed.hostname.endsWith(`.${host}`);
    return sameHost && (ownPort === null || ownPort === port);
  });
}

function splitPort(own: string): readonly [string, number | null] {
  const match = /^(.*):(\d+)$/.exec(own);
  const isBareIpv6 = own.includes(':') && !own.includes(']') && own.indexOf(':') !== own.lastIndexOf(':');
  return match === null || isBareIpv6 ? [own, null] : [match[1] ?? own, Number(match[2])];
}

function portProblem(parsed: URL, policy: EgressPolicy): UrlTextProblem | null {
  const port = effectivePort(parsed);
  // Plain HTTP is allowed by its own switch, and that switch means port 80 too.
  const isDefault = parsed.protocol === 'http:' && port === 80;
  if (port !== 0 && (policy.ports === '*' || isDefault || policy.ports.includes(port))) return null;
  const allowed = policy.ports === '*' ? '1 to 65535' : policy.ports.join(', ');
  return { code: 'url_port', message: `Port ${port} is not allowed; allowed: ${allowed}.`, detail: 'port' };
}

function effectivePort(parsed: URL): number {
  if (parsed.port !== '') return Number(parsed.port);
  return parsed.protocol === 'http:' ? 80 : 443;
}

function refused(problem: UrlTextProblem): UrlCheck {
  return { ok: false, ...problem };
}

const UNREADABLE: UrlTextProblem = { code: 'url_invalid', message: 'This is not a valid URL.', detail: 'unparsable' };
