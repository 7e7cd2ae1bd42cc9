import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What a metric is called, what it tells and how it is split; `labels` in the order in which values are given. */
export interface MetricName {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** A metric as the documentation lists it. */
export interface MetricDescription extends MetricName {
  readonly type: 'counter' | 'gauge' | 'histogram';
}

/** One line of a counter. */
export interface Count {
  value: number;
}

/** One line of a gauge: the values of its labels, and its own. */
export type Reading = readonly [labels: readonly string[], value: number];

/** A counter whose lines are found once and then are plain numbers. */
export interface CounterFamily {
  of(...labels: readonly string[]): Count;
}

/** A histogram, found in the same way. */
export interface HistogramFamily {
  of(...labels: readonly string[]): Distribution;
}

/** A gauge that asks somebody whenever metrics are read; without anybody to ask it has no lines. */
export interface GaugeFamily {
  from(read: () => Iterable<Reading>): void;
}

/** Lines per metric: what would be more of them is counted under the label value `other`. */
const MAX_LINES = 500;
const OTHER = 'other';

/**
 * Makes metrics. prom-client builds a string of all labels at each change, half a microsecond even for a child that was
 * bound before; here a change is an addition, and prom-client sees the numbers when somebody reads them.
 */
export class MetricSet {
  readonly #registry: Registry;
  readonly #descriptions: MetricDescription[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Every metric that was made. */
  get descriptions(): readonly MetricDescription[] {
    return this.#descriptions;
  }

  counter(metric: MetricName): CounterFamily {
    this.#descriptions.push({ ...metric, type: 'counter' });
    const lines = new Lines<Count>(metric, () => ({ value: 0 }));
    const counter: Counter = new Counter({
      ...definition(metric, this.#registry),
      collect: () => {
        counter.reset();
        for (const { labels, line } of lines.all()) counter.inc(labels, line.value);
      },
    });
    return lines;
  }

  gauge(metric: MetricName): GaugeFamily {
    this.#descriptions.push({ ...metric, type: 'gauge' });
    const sources: (() => Iterable<Reading>)[] = [];
    const gauge: Gauge = new Gauge({
      ...definition(metric, this.#registry),
      collect: () => {
        gauge.reset();
        // prom-client begins a metric without labels with a line of zero; nobody has measured that.
        if ((metric.labels ?? []).length === 0) gauge.remove();
        for (const read of sources) for (const [labels, value] of read()) gauge.set(named(metric, labels), value);
      },
    });
    return { from: (read) => void sources.push(read) };
  }

  histogram(metric: MetricName, buckets: readonly number[]): HistogramFamily {
    this.#descriptions.push({ ...metric, type: 'histogram' });
    const lines = new Lines<Distribution>(metric, () => new Distribution(buckets));
    new LinesHistogram(metric, lines, { ...definition(metric, this.#registry), buckets: [...buckets] });
    return lines;
  }
}

/** How often values fell into each bucket. */
export class Distribution {
  readonly bounds: readonly number[];
  /** Per bound, not cumulative; the last one counts what is beyond all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index += 1;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

type Labels = Record<string, string>;

class Lines<Line> {
  readonly #metric: MetricName;
  readonly #create: () => Line;
  readonly #lines = new Map<string, { readonly labels: Labels; readonly line: Line }>();

  constructor(metric: MetricName, create: () => Line) {
    this.#metric = metric;
    this.#create = create;
    if ((metric.labels ?? []).length === 0) this.of();
  }

  of(...labels: readonly string[]): Line {
    const key = labels.join('\n');
    const known = this.#lines.get(key);
    if (known !== undefined) return known.line;
    if (this.#lines.size >= MAX_LINES && labels[0] !== OTHER) return this.of(...labels.map(() => OTHER));
    const line = this.#create();
    this.#lines.set(key, { labels: named(this.#metric, labels), line });
    return line;
  }

  all(): Iterable<{ readonly labels: Labels; readonly line: Line }> {
    return this.#lines.values();
  }
}

/** A histogram that takes its values from lines instead of its own memory. */
class LinesHistogram extends Histogram {
  readonly #name: string;
  readonly #lines: Lines<Distribution>;
  /** For everything but the values. */
  readonly #twin: Histogram;

  constructor(metric: MetricName, lines: Lines<Distribution>, config: ConstructorParameters<typeof Histogram>[0]) {
    super(config);
    this.#name = metric.name;
    this.#lines = lines;
    this.#twin = new Histogram({ ...config, registers: [] });
  }

  override async get() {
    const values = [...this.#lines.all()].flatMap(({ labels, line }) => valuesOf(this.#name, labels, line));
    return { ...(await this.#twin.get()), values };
  }

  /** What the registry really asks when it writes text. */
  getForPromString() {
    return this.get();
  }
}

function valuesOf(name: string, labels: Labels, { bounds, counts, sum }: Distribution) {
  let total = 0;
  const buckets = [...bounds, '+Inf'].map((le, index) => {
    total += counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
}

function definition({ name, help, labels = [] }: MetricName, registry: Registry) {
  return { name, help, labelNames: [...labels], registers: [registry] };
}

function named({ labels = [] }: MetricName, values: readonly string[]): Labels {
  return Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
}
