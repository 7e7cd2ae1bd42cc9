import { AppError } from '../domain/errors.ts';
import type { LocalPosthorn } from '../local/local-posthorn.ts';
import type { StopSignals } from './stop-signals.ts';

/** Shows the main job. */
export async function runDemo(posthorn: LocalPosthorn, options: { once: boolean; stop: StopSignals }): Promise<number> {
  throw new AppError('unavailable', `no demo for ${posthorn.ready.apiUrl} ${options.once}`);
}
