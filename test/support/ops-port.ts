import type { PosthornProcess } from './posthorn-process.ts';
import { waitUntil } from './wait-until.ts';

/** What `/readyz` says. */
export interface Readiness {
  readonly status: number;
  /** By dependency: null when it is there, else what is waited for. */
  readonly waitsFor: Readonly<Record<string, string | null>>;
}

/** The ops port of a process, known from its log before anything serves. */
export class OpsPort {
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  static async of(server: PosthornProcess): Promise<OpsPort> {
    const url = () => server.log().find(({ msg }) => msg === 'serve.ops_listening')?.['opsUrl'] as string | undefined;
    return new OpsPort(`${await waitUntil(url, { what: 'the address of the ops port' })}`);
  }

  async readiness(): Promise<Readiness> {
    const response = await fetch(`${this.url}/readyz`);
    const { dependencies } = (await response.json()) as { dependencies: Record<string, { waits_for?: string }> };
    const waits = Object.entries(dependencies).map(([name, state]) => [name, state.waits_for ?? null] as const);
    return { status: response.status, waitsFor: Object.fromEntries(waits) };
  }

  async metricsText(): Promise<string> {
    return (await fetch(`${this.url}/metrics`)).text();
  }

  /** The value of each line, by the line as Prometheus writes it: `name{label="value"}`. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const lines = (await this.metricsText()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const end = line.lastIndexOf(' ');
        return [line.slice(0, end), Number(line.slice(end + 1))];
      }),
    );
  }
}
