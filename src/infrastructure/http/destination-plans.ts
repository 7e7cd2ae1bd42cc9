import type { EgressPolicy } from '../../domain/address-policy.ts';
import { checkUrl } from '../../domain/destination.ts';
import { type Failure, failure } from './failure-codes.ts';
import type { Target } from './guarded-connector.ts';

/** A webhook URL, judged and taken apart. */
export type Plan =
  | { readonly ok: true; readonly target: Target; readonly path: string }
  | { readonly ok: false; readonly failure: Failure };

const MAX_PLANS = 20_000;

/**
 * Judges URLs again before they are used, because a row may have been written past the API or under another policy.
 * The verdict depends on nothing but text and policy, so it is kept.
 */
export function createPlanner(policy: EgressPolicy): (url: string) => Plan {
  const plans = new Map<string, Plan>();
  return (url) => {
    const known = plans.get(url);
    if (known !== undefined) return known;
    const plan = planFor(url, policy);
    if (plans.size >= MAX_PLANS) plans.clear();
    plans.set(url, plan);
    return plan;
  };
}

function planFor(url: string, policy: EgressPolicy): Plan {
  const check = checkUrl(url, policy);
  if (!check.ok) return { ok: false, failure: failure('destination_not_allowed', check.detail) };
  const { protocol, hostname, port, pathname, search } = new URL(check.url);
  const isTls = protocol === 'https:';
  const effectivePort = port === '' ? (isTls ? 443 : 80) : Number(port);
  const target = { origin: `${protocol}//${hostname}:${effectivePort}`, isTls, hostname, port: effectivePort };
  return { ok: true, target, path: pathname + search };
}
