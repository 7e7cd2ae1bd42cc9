/** Public codes for what is wrong with the text of a URL. */
export type UrlTextCode = 'url_invalid' | 'url_scheme' | 'url_userinfo' | 'url_port';

/** What is wrong with the text: the code for programs, the sentence for people, the fine code for logs. */
export interface UrlTextProblem {
  readonly code: UrlTextCode;
  readonly message: string;
  readonly detail: string;
}

/** Longest URL that is accepted, in bytes. */
const MAX_URL_BYTES = 2048;

/** Characters that parsers delete or that nobody sees: controls, spaces, formats, unassigned, lone surrogates. */
const INVISIBLE = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;
const SCHEME = /^([a-z][a-z0-9+.-]*):/i;
const AUTHORITY_AT_ONCE = /^https?:\/\/[^/\\?#]/i;
/** Non-ASCII characters that internationalised names are written with, the three other full stops among them. */
const NAME_CHARACTERS = /^[\x21-\x7e\p{L}\p{M}\p{N}\u3002\uff0e\uff61]*$/u;
const NON_ASCII = /[^\x21-\x7e]/;

/**
 * Checks the text before any parser sees it, because parsers repair: they delete tabs and line ends, take `\` for `/`,
 * decode `%6c` in hosts and do without the slashes.
 */
export function checkUrlText(raw: string, allowHttp: boolean): UrlTextProblem | null {
  return lengthProblem(raw) ?? schemeProblem(raw, allowHttp) ?? characterProblem(raw) ?? authorityProblem(raw);
}

/** Checks the characters of names; only after the host was judged, so that a disguised inner address is called what it is. */
export function checkNameCharacters(raw: string): UrlTextProblem | null {
  const authority = authorityOf(raw);
  if (!NAME_CHARACTERS.test(authority))
    return invalid('odd_character', 'The host contains characters that names cannot have.');
  return null;
}

function lengthProblem(raw: string): UrlTextProblem | null {
  if (raw === '') return invalid('empty', 'The URL is empty.');
  // No character takes less than a byte, so the cheap test comes first.
  if (raw.length <= MAX_URL_BYTES && utf8Length(raw) <= MAX_URL_BYTES) return null;
  return invalid('too_long', `The URL is longer than ${MAX_URL_BYTES} bytes.`);
}

function schemeProblem(raw: string, allowHttp: boolean): UrlTextProblem | null {
  if (INVISIBLE.test(raw))
    return invalid('invisible_character', 'The URL contains a space, a control character or an invisible character.');
  const scheme = SCHEME.exec(raw)?.[1]?.toLowerCase();
  if (scheme === undefined) return invalid('no_scheme', 'The URL must start with https://.');
  if (scheme !== 'https' && !(scheme === 'http' && allowHttp)) return wrongScheme('scheme');
  return AUTHORITY_AT_ONCE.test(raw) ? null : wrongScheme('scheme_form');
}

function characterProblem(raw: string): UrlTextProblem | null {
  if (raw.includes('\\')) return invalid('backslash', 'The URL contains a backslash.');
  if (raw.includes('#')) return invalid('fragment', 'The URL contains a fragment (#…), which is never sent.');
  const rest = raw.slice(raw.indexOf('//') + 2 + authorityOf(raw).length);
  return NON_ASCII.test(rest) ? invalid('non_ascii_path', 'Path and query must be percent-encoded ASCII.') : null;
}

function authorityProblem(raw: string): UrlTextProblem | null {
  const authority = authorityOf(raw);
  if (authority.includes('@')) {
    return {
      code: 'url_userinfo',
      message: 'The URL contains a user name or password, which would never be sent.',
      detail: 'userinfo',
    };
  }
  return authority.includes('%') ? invalid('percent_in_host', 'The host contains a percent sign.') : null;
}

function authorityOf(raw: string): string {
  const start = raw.indexOf('//') + 2;
  const length = raw.slice(start).search(/[/\\?#]/);
  return length < 0 ? raw.slice(start) : raw.slice(start, start + length);
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function invalid(detail: string, message: string): UrlTextProblem {
  return { code: 'url_invalid', message, detail };
}

function wrongScheme(detail: string): UrlTextProblem {
  return { code: 'url_scheme', message: 'The URL must start with https://.', detail };
}
