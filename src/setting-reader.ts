import { SETTINGS, type Setting } from './settings.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads single settings; notes what is wrong with each and goes on. */
export class SettingReader {
  readonly #environment: Environment;
  readonly #problems: string[];

  constructor(environment: Environment, problems: string[]) {
    this.#environment = environment;
    this.#problems = problems;
  }

  report(problem: string): void {
    this.#problems.push(problem);
  }

  text(name: keyof typeof SETTINGS): string {
    const setting: Setting = SETTINGS[name];
    return this.#environment[name] ?? setting.default;
  }

  optional(name: keyof typeof SETTINGS): string | null {
    return this.text(name) || null;
  }

  matching(name: keyof typeof SETTINGS, pattern: RegExp, expected: string): string {
    const value = this.text(name);
    if (!pattern.test(value)) this.report(`${name} must be ${expected}, not "${value}"`);
    return value;
  }

  list(name: keyof typeof SETTINGS, pattern: RegExp, expected: string): string[] {
    const items = this.text(name)
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    for (const item of items) if (!pattern.test(item)) this.report(`${name}: "${item}" is not ${expected}`);
    return items;
  }

  flag(name: keyof typeof SETTINGS): boolean {
    const value = this.text(name);
    if (!['true', 'false', '1', '0', ''].includes(value)) this.report(`${name} must be true or false, not "${value}"`);
    return value === 'true' || value === '1';
  }

  count(name: keyof typeof SETTINGS): number {
    const value = Number(this.text(name));
    if (!Number.isInteger(value) || value < 1 || value > 1_000_000)
      this.report(`${name} must be a whole number from 1 to 1000000`);
    return value;
  }

  optionalCount(name: keyof typeof SETTINGS): number | null {
    return this.text(name) === '' ? null : this.count(name);
  }

  port(name: keyof typeof SETTINGS): number {
    const value = Number(this.text(name));
    if (!Number.isInteger(value) || value < 0 || value > 65_535) this.report(`${name} must be a port from 0 to 65535`);
    return value;
  }

  ports(name: keyof typeof SETTINGS): readonly number[] | '*' {
    if (this.text(name) === '*') return '*';
    return this.list(
      name,
      /^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/,
      'a port or *',
    ).map(Number);
  }

  duration(name: keyof typeof SETTINGS, leastMs: number, mostMs: number): number {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(this.text(name));
    const valueMs =
      match === null
        ? Number.NaN
        : Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h'];
    if (!(valueMs >= leastMs && valueMs <= mostMs)) {
      this.report(`${name} must be a duration from ${leastMs / 1000}s to ${mostMs / 1000}s, such as 15s`);
    }
    return valueMs;
  }

  url(name: keyof typeof SETTINGS, protocols: readonly string[]): string {
    const value = this.text(name);
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
      this.report(
        `${name} must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
      );
    }
    return value.replace(/\/+$/, '');
  }
}
