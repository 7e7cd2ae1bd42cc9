import { once } from 'node:events';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type CopyColumn, encodeCopy } from './copy-encoder.ts';

/** Appends the rows to a table with one COPY. Names come from our code, never from outside. */
export async function copyRows<Row>(
  client: ClientBase,
  table: string,
  columns: readonly CopyColumn<Row>[],
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const names = columns.map((column) => column.name).join(', ');
  const stream = client.query(copyFrom(`COPY ${table} (${names}) FROM STDIN (FORMAT binary)`));
  // `once` rejects with the stream's error, which is PostgreSQL's answer.
  const finished = once(stream, 'finish');
  stream.end(encodeCopy(columns, rows));
  await finished;
}
