import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The code block that follows `<!-- snippet: NAME -->` in a document. */
export function snippetOf(document: string, name: string): string {
  const [, after] = readFileSync(document, 'utf8').split(`<!-- snippet: ${name} -->`);
  const [, code] = /```[a-z]+\n([^]*?)```/.exec(after ?? '') ?? [];
  if (code === undefined) throw new Error(`${document} has no snippet ${name}`);
  return code;
}

export interface SnippetFile extends Disposable {
  readonly file: string;
}

/** Writes a snippet where a reader would: in a folder of its own, with the packages that it imports installed. */
export function writeSnippet(
  document: string,
  name: string,
  replacements: Readonly<Record<string, string>> = {},
): SnippetFile {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-snippet-'));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, Object.entries(replacements).reduce(replaced, snippetOf(document, name)));
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A replacement that finds nothing would let the test pass for another program than the documented one. */
function replaced(code: string, [shown, actual]: readonly [string, string]): string {
  if (!code.includes(shown)) throw new Error(`the snippet has no ${shown}`);
  return code.replaceAll(shown, actual);
}
