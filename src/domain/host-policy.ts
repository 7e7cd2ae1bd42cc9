/** Names that are never public, alone or as the end of a longer name (RFC 6761 and its successors, and the usual inner ones). */
const SPECIAL_USE = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'home.arpa',
  'onion',
  'test',
  'example',
  'invalid',
  'alt',
  'cluster.local',
] as const;

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** What is wrong with a host name in its parsed (lower case, punycode) form, or null: `host_invalid` or `host_forbidden`. */
export function hostProblem(hostname: string): 'host_invalid' | 'host_forbidden' | null {
  const isForbidden =
    SPECIAL_USE.some((name) => isUnder(hostname, name)) || isUnder(hostname.replace(/\.+$/, ''), 'localhost');
  if (isForbidden) return 'host_forbidden';
  const labels = hostname.split('.');
  const isWellFormed = labels.length >= 2 && hostname.length <= 253 && labels.every((label) => LABEL.test(label));
  return isWellFormed && !isNumeric(labels.at(-1) ?? '') && hasGoodPunycode(hostname) ? null : 'host_invalid';
}

function isUnder(hostname: string, name: string): boolean {
  return hostname === name || hostname.endsWith(`.${name}`);
}

/** No top-level domain is a number; some resolvers would read such a name as an address. */
function isNumeric(label: string): boolean {
  return /^(\d+|0x[0-9a-f]*)$/.test(label);
}

/** Parsers wave all-ASCII names through; one more non-ASCII label makes the platform check the punycode of the others. */
function hasGoodPunycode(hostname: string): boolean {
  return !hostname.includes('xn--') || URL.canParse(`https://${hostname}.\u00e9/`);
}
