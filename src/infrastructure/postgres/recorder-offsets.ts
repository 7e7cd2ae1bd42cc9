import type { ClientBase } from 'pg';
import type { LogPosition } from '../../domain/log-entries.ts';

/** Where the log ends in a partition: the offset of the first record that it does not have; null = it has none. */
export async function loadOffset(client: ClientBase, topic: string, partition: number): Promise<number | null> {
  const { rows } = await client.query<{ next_offset: string }>({
    name: 'recorder-load-offset',
    text: 'SELECT next_offset FROM recorder_offsets WHERE topic = $1 AND partition = $2',
    values: [topic, partition],
  });
  const [row] = rows;
  return row === undefined ? null : Number(row.next_offset);
}

/**
 * Moves the positions on, in the transaction that writes the rows. False when one of them is not where this recorder left
 * it: another has written meanwhile, and the caller must roll back. The row stays locked until the transaction ends, so
 * two recorders that think they own a partition take turns, and the second one finds out.
 */
export async function moveOffsets(client: ClientBase, positions: readonly LogPosition[]): Promise<boolean> {
  const { rowCount } = await client.query({ name: 'recorder-move-offsets', text: MOVE, values: columnsOf(positions) });
  return rowCount === positions.length;
}

const MOVE = `
  INSERT INTO recorder_offsets AS known (topic, partition, next_offset)
  SELECT moved.topic, moved.partition, moved.next_offset
  FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS moved (topic, partition, next_offset, expected)
  WHERE moved.expected IS NULL OR EXISTS (
    SELECT FROM recorder_offsets AS held WHERE held.topic = moved.topic AND held.partition = moved.partition)
  ORDER BY moved.topic, moved.partition
  ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, updated_at = now()
  WHERE known.next_offset = (
    SELECT expected FROM unnest($1::text[], $2::integer[], $4::bigint[]) AS held (topic, partition, expected)
    WHERE held.topic = known.topic AND held.partition = known.partition)`;

function columnsOf(positions: readonly LogPosition[]): unknown[] {
  return [
    positions.map((position) => position.topic),
    positions.map((position) => position.partition),
    positions.map((position) => position.nextOffset),
    positions.map((position) => position.expectedOffset),
  ];
}
