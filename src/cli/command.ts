/** One command of the `posthorn` binary. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The full help text: synopsis and options. */
  readonly usage: string;
  /** Runs the command; the number is the exit code. */
  run(args: readonly string[]): Promise<number>;
}
