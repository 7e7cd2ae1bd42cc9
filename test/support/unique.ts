import { randomBytes } from 'node:crypto';

/** A name that no other test and no earlier run uses; fit for topics, groups, tenants and databases (`[a-z0-9_]`). */
export function unique(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`;
}
