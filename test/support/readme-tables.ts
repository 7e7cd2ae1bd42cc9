import { COMMANDS } from '../../src/cli/commands.ts';
import { createMetrics } from '../../src/infrastructure/telemetry/metrics.ts';
import { SETTINGS } from '../../src/settings.ts';

/** The tables that are made from the code, by document and by the name in their markers. */
const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': { commands: commandsTable, settings: settingsTable },
  'docs/operations.md': { metrics: metricsTable },
};

/** The documents with tables. */
export const DOCUMENTS_WITH_TABLES: readonly string[] = Object.keys(TABLES);

/** The text of a document with what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` made anew. */
export function withTables(document: string, text: string): string {
  const tables = Object.entries(TABLES[document] ?? {});
  return tables.reduce((current, [name, table]) => withTable(current, name, table()), text);
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

function metricsTable(): string {
  const rows = createMetrics().descriptions.map(({ name, type, labels = [], help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  return tableOf(['metric', 'type', 'labels', 'tells'], rows);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
