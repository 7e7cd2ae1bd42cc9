import { benchCommand } from './bench.ts';
import { bootstrapCommand } from './bootstrap.ts';
import { chaosCommand } from './chaos.ts';
import type { Command } from './command.ts';
import { deadCommand } from './dead.ts';
import { infraCommand } from './infra.ts';
import { keysCommand } from './keys.ts';
import { listenCommand } from './listen.ts';
import { publishCommand } from './publish.ts';
import { schemasCommand } from './schemas.ts';
import { serveCommand } from './serve.ts';
import { statusCommand } from './status.ts';
import { upCommand } from './up.ts';

/** Every command of the binary, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  upCommand,
  infraCommand,
  bootstrapCommand,
  serveCommand,
  statusCommand,
  keysCommand,
  publishCommand,
  listenCommand,
  schemasCommand,
  deadCommand,
  benchCommand,
  chaosCommand,
];
