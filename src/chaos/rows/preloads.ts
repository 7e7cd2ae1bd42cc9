import type { MemberPlan } from '../fleet.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** A process into which one of the scripts of `preload/` is loaded first. */
export function withPreload(
  plan: MemberPlan,
  script: string,
  parameters: Readonly<Record<string, string>>,
): MemberPlan {
  const url = new URL(`../preload/${script}.${EXTENSION}`, import.meta.url);
  url.search = new URLSearchParams(parameters).toString();
  return { ...plan, nodeArgs: ['--import', url.href] };
}
