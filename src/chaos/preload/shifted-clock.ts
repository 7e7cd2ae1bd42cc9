/** Loaded before Posthorn by `node --import`, with `?offsetMs=N`: a clock that is wrong by as much. */
const offsetMs = Number(new URL(import.meta.url).searchParams.get('offsetMs'));
const RealDate = Date;

class ShiftedDate extends RealDate {
  constructor(...args: [] | ConstructorParameters<DateConstructor>) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }

  static override now(): number {
    return RealDate.now() + offsetMs;
  }
}

Object.defineProperty(globalThis, 'Date', { value: ShiftedDate });
