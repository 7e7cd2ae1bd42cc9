import { type Database, onlyRow, query } from './database.ts';

/** What came of a test delivery: the receiver's status, or the code of the failure before one. */
export interface TestDeliveryOutcome {
  readonly httpStatusCode: number | null;
  readonly failureCode: string | null;
}

/** Notes that a test delivery begins and returns its number, the `log_id` of the API. */
export async function beginTestDelivery(
  database: Database,
  tenantId: string,
  url: string,
  eventId: string,
): Promise<number> {
  const rows = await query<{ id: string }>(
    database.knex,
    'INSERT INTO test_deliveries (tenant_id, url, event_id) VALUES (?, ?, ?) RETURNING id',
    [tenantId, url, eventId],
  );
  return Number(onlyRow(rows).id);
}

/** Notes how a test delivery ended. */
export async function finishTestDelivery(
  database: Database,
  tenantId: string,
  logId: number,
  outcome: TestDeliveryOutcome,
): Promise<void> {
  await query(
    database.knex,
    'UPDATE test_deliveries SET http_status_code = ?, failure_code = ?, finished_at = now() WHERE tenant_id = ? AND id = ?',
    [outcome.httpStatusCode, outcome.failureCode, tenantId, logId],
  );
}
