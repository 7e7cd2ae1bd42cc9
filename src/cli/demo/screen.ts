import { styleText } from 'node:util';
import type { DemoArrival } from '../../local/demo-ledger.ts';
import { HEADING, rowFor } from './rows.ts';

/** Where the demo shows what happens. */
export interface DemoScreen {
  show(arrival: DemoArrival): void;
  /** Ends what is drawn in place; the cursor is below it. */
  close(): void;
}

export interface ScreenOptions {
  readonly output: NodeJS.WriteStream;
  readonly header: readonly string[];
  /** The line below the table. */
  readonly footer: () => string;
}

/** A table that is drawn in place on a terminal; one line per delivery anywhere else. */
export function openScreen(options: ScreenOptions): DemoScreen {
  const { output, header } = options;
  output.write(`${header.join('\n')}\n\n`);
  if (output.isTTY) return openTable(options);
  output.write(`${HEADING}\n`);
  return { show: (arrival) => void output.write(`${rowFor(arrival)}\n`), close: () => undefined };
}

const REDRAW_PAUSE_MS = 100;
const MOST_ROWS = 16;
const FEWEST_ROWS = 3;
/** Heading, empty line, footer, and the line with the cursor. */
const LINES_AROUND = 4;

const UP = (lines: number) => (lines === 0 ? '' : `\u001B[${lines}A`);
const CLEAR_LINE = '\u001B[2K';
const CLEAR_SCREEN = '\u001B[2J\u001B[H';

function openTable({ output, header, footer }: ScreenOptions): DemoScreen {
  const shown: DemoArrival[] = [];
  let drawnLines = 0;
  let timer: NodeJS.Timeout | null = null;

  const draw = () => {
    timer = null;
    const height = tableHeight(output, header);
    const rows = shown.slice(-height);
    const empty = Array.from({ length: height - rows.length }, () => '');
    const heading = styled(output, 'bold', HEADING);
    const lines = [heading, ...rows.map((row) => colouredRow(output, row)), ...empty, '', cut(output, footer())];
    output.write(`${UP(drawnLines)}\r${lines.map((line) => `${CLEAR_LINE}${line}\n`).join('')}`);
    drawnLines = lines.length;
  };
  const drawSoon = () => {
    timer ??= setTimeout(draw, REDRAW_PAUSE_MS);
  };
  // Lines wrap differently now, so nobody knows where the table stands.
  const startOver = () => {
    output.write(`${CLEAR_SCREEN}${header.join('\n')}\n\n`);
    drawnLines = 0;
    drawSoon();
  };
  output.on('resize', startOver);
  draw();
  return {
    show: (arrival) => {
      shown.push(arrival);
      if (shown.length > MOST_ROWS) shown.shift();
      drawSoon();
    },
    close: () => {
      output.off('resize', startOver);
      if (timer === null) return;
      clearTimeout(timer);
      draw();
    },
  };
}

/** As many rows as leave the header in sight. */
function tableHeight({ columns, rows }: NodeJS.WriteStream, header: readonly string[]): number {
  const headerLines = header.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 1);
  return Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, rows - headerLines - LINES_AROUND));
}

/** Green for what is as it should be, yellow for an attempt that will be made again, red for a wrong signature. */
function colouredRow(output: NodeJS.WriteStream, arrival: DemoArrival): string {
  const row = rowFor(arrival);
  if (arrival.verified === 'refused') return styled(output, 'red', row);
  if (arrival.status >= 300 || arrival.attempt > 1) return styled(output, 'yellow', row);
  return arrival.verified === 'verified' ? styled(output, 'green', row) : cut(output, row);
}

function styled(output: NodeJS.WriteStream, style: Parameters<typeof styleText>[0], line: string): string {
  return styleText(style, cut(output, line), { stream: output });
}

/** A line that wraps would be two, and the next drawing would begin in the wrong place. */
function cut({ columns }: NodeJS.WriteStream, line: string): string {
  return line.length < columns ? line : line.slice(0, Math.max(0, columns - 1));
}
