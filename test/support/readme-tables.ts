import { COMMANDS } from '../../src/cli/commands.ts';
import { SETTINGS } from '../../src/settings.ts';

/** The tables of the README that are made from the code, by the name in their markers. */
const TABLES: Readonly<Record<string, () => string>> = { commands: commandsTable, settings: settingsTable };

/** The text with what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` made anew. */
export function withTables(text: string): string {
  return Object.entries(TABLES).reduce((current, [name, table]) => withTable(current, name, table()), text);
}

function withTable(text: string, name: string, table: string): string {
  const [before, rest] = splitOnce(text, `<!-- begin ${name} -->`);
  const [, after] = splitOnce(rest, `<!-- end ${name} -->`);
  return `${before}<!-- begin ${name} -->\n\n${table}\n\n<!-- end ${name} -->${after}`;
}

function splitOnce(text: string, marker: string): readonly [string, string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`the marker ${marker} is missing`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}

function commandsTable(): string {
  return tableOf(
    ['command', 'does'],
    COMMANDS.map(({ name, summary }) => [`\`posthorn ${name}\``, summary]),
  );
}

function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([name, setting]) => [
    `\`${name}\``,
    setting.default === '' ? '' : `\`${setting.default}\``,
    setting.description,
  ]);
  return tableOf(['variable', 'default', 'meaning'], rows);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
