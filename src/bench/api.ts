/** The management API and a key of the tenant that asks. */
export interface ApiAccess {
  readonly apiUrl: string;
  readonly apiKey: string;
}

/** Asks the management API; rejects with what it answered when that is no success. */
export async function callApi(
  access: ApiAccess,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${access.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${access.apiKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
}
