const TENANT_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** The owner of keys, webhooks and events: the `ce_tenantid` of its events; printable, without spaces, at most 128 characters. */
export function isTenantId(text: string): boolean {
  return TENANT_ID.test(text);
}
