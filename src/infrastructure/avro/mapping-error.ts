/** A value that the other side cannot express: says where (`data.score`, `data.hits[2].name`) and why. */
export class MappingError extends Error {
  /** Field names and indices from the outside in; filled on the way up. */
  readonly path: (string | number)[] = [];
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.name = 'MappingError';
    this.reason = reason;
  }

  /** The place as people write it, starting with `root`. */
  where(root: string): string {
    return root + this.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  }
}

/** Adds one step to the place of a mapping error; other errors pass untouched. For `throw at(error, step)`. */
export function at(error: unknown, step: string | number): unknown {
  if (error instanceof MappingError) error.path.unshift(step);
  return error;
}
