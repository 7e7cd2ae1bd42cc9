import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRunning, temporaryFolder } from '../../support/local-infra.ts';
import { waitUntil } from '../../support/wait-until.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder.remove());

/** A parent that starts a server ignoring polite signals, and a folder, both under a guard; it prints the server's id. */
function startParent(removable: string): { parent: ChildProcess; serverPid: Promise<number> } {
  const script = `
    import { spawn } from 'node:child_process';
    import { startGuard } from ${JSON.stringify(resolve('src/local/guard.ts'))};
    const server = spawn('/bin/sh', ['-c', 'while :; do sleep 1; done'], { detached: true, stdio: 'ignore' });
    const guard = startGuard();
    guard.watch(server.pid, 'TERM');
    guard.removeAtDeath(${JSON.stringify(removable)});
    console.log(server.pid);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const serverPid = new Promise<number>((settle) => parent.stdout.once('data', (line) => settle(Number(line))));
  return { parent, serverPid };
}

test('when a parent is killed its servers end and its temporary folder goes, blanks in the name or not', async () => {
  const removable = join(folder.path, 'with blanks and "quotes"');
  mkdirSync(removable);
  const { parent, serverPid } = startParent(removable);
  const pid = await serverPid;
  expect(isRunning(pid)).toBe(true);
  parent.kill('SIGKILL');
  await waitUntil(() => !isRunning(pid), { timeoutMs: 5_000, what: 'the end of the server' });
  await waitUntil(() => !existsSync(removable), { timeoutMs: 10_000, what: 'the end of the folder' });
  expect(existsSync(folder.path)).toBe(true);
});

test('a paused server ends as well', async () => {
  const { parent, serverPid } = startParent(join(folder.path, 'nothing'));
  const pid = await serverPid;
  process.kill(pid, 'SIGSTOP');
  parent.kill('SIGKILL');
  await waitUntil(() => !isRunning(pid), { timeoutMs: 5_000, what: 'the end of the server' });
});
