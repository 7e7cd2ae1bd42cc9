import { parseArgs } from 'node:util';
import { ROLES, type Role } from '../compose/roles.ts';
import { createServingProcess } from '../compose/serve.ts';
import { looseningsOf, readConfig, unknownSettings } from '../config.ts';
import { createLogger } from '../infrastructure/telemetry/logger.ts';
import { openReadyFile } from '../local/ready-file.ts';
import { SETTINGS } from '../settings.ts';
import type { Command } from './command.ts';
import { listenForStop } from './stop-signals.ts';

const USAGE = `posthorn serve [--roles api,router,delivery,retry,recorder] [--ready-file F]

Runs Posthorn against the servers that the environment names. Every role scales on its own: start as many processes of
it as it needs. A stop drains what is in flight; a second signal ends at once.

  --roles R         roles of this process, with commas; all of them unless given
  --ready-file F    JSON file (mode 600) with roles, pid and addresses once all of it serves; removed at exit

Settings (environment, or a .env file):
${Object.entries(SETTINGS)
  .map(
    ([name, { default: value, description }]) =>
      `  ${name}\n      ${description.replaceAll('`', '')}${value === '' ? '' : ` [${value}]`}`,
  )
  .join('\n')}
`;

/** `posthorn serve`: the production entry. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'run Posthorn, or some of its roles',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { roles: { type: 'string', default: ROLES.join(',') }, 'ready-file': { type: 'string' } },
    });
    const roles = parseRoles(values.roles);
    if (typeof roles === 'string') {
      console.error(roles);
      return 2;
    }
    return serve(roles, values['ready-file']);
  },
};

async function serve(roles: readonly Role[], readyPath: string | undefined): Promise<number> {
  const config = readConfig();
  const log = createLogger(config.logLevel);
  for (const line of unknownSettings()) log.warn({ setting: line }, 'serve.unknown_setting');
  for (const line of looseningsOf(config)) log.warn({ loosening: line }, 'serve.loosened');
  const readyFile = openReadyFile(readyPath);
  const stop = listenForStop();
  const fatal = Promise.withResolvers<Error>();
  const posthorn = createServingProcess({ config, roles, log, onFatal: fatal.resolve });
  try {
    const starting = posthorn.start();
    const started = starting.then(() => 'started' as const);
    const first = await Promise.race([started, stop.requested, fatal.promise]);
    // A start that is being stopped fails, which is no news then.
    started.catch(() => undefined);
    const { apiUrl, opsUrl } = posthorn;
    if (first === 'started') readyFile.write({ roles, pid: process.pid, apiUrl, opsUrl });
    const ended = first === 'started' ? await Promise.race([stop.requested, fatal.promise]) : first;
    if (ended instanceof Error) log.fatal({ error: ended.message }, 'serve.cannot_go_on');
    readyFile.remove();
    await posthorn.stop();
    return ended instanceof Error ? 1 : 0;
  } finally {
    readyFile.remove();
    stop.dispose();
  }
}

function parseRoles(text: string): Role[] | string {
  const names = text.split(',').map((name) => name.trim());
  const roles = ROLES.filter((role) => names.includes(role));
  const unknown = names.filter((name) => !ROLES.some((role) => role === name));
  return unknown.length > 0 ? `--roles: "${unknown.join(', ')}" is not one of ${ROLES.join(', ')}` : roles;
}
