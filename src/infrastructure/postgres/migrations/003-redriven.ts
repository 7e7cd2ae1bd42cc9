import type { Knex } from 'knex';

/** Remembers when a dead letter was sent again, so that nobody sends it twice without knowing. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE dead_letters ADD COLUMN redriven_at timestamptz');
}
