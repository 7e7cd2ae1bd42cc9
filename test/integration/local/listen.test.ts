import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { signatureHeader, signingKeyOf } from '../../../src/domain/signature.ts';
import { createWebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import { LOOPBACK_POLICY } from '../../support/receiver.ts';
import { requestTo, summaryOf } from '../../support/sender.ts';
import { waitUntil } from '../../support/wait-until.ts';

const SECRET = 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ';
const RUN = `
  const { listenCommand } = await import(${JSON.stringify(new URL('../../../src/cli/listen.ts', import.meta.url).href)});
  process.exitCode = await listenCommand.run(process.argv.slice(1));
`;

function listen(args: readonly string[]) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', RUN, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, exited: once(child, 'exit'), output: () => output };
}

it('prints what arrives, verified or not, and ends at a signal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-listen-'));
  const { child, exited, output } = listen(['--port', '0', '--secret', SECRET, '--data-dir', folder]);
  try {
    const url = await waitUntil(() => /https:\/\/localhost:\d+/.exec(output())?.[0], { what: 'the URL was printed' });
    const extraCa = readFileSync(join(folder, 'certificates', 'ca.pem'), 'utf8');
    const sender = createWebhookSender({ policy: LOOPBACK_POLICY, extraCa });
    const body = Buffer.from('{"type":"case.created\\u001b[2J"}');
    const timestampSeconds = Math.floor(Date.now() / 1000);
    const signature = signatureHeader({ id: 'evt_1', timestampSeconds, body, keys: [signingKeyOf(SECRET)] });
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signature,
      'posthorn-attempt': '2',
    };
    expect(summaryOf(await sender.send(requestTo(url, { body, headers })))).toBe('200');
    expect(summaryOf(await sender.send(requestTo(url)))).toBe('200');
    await sender.close();
    await waitUntil(() => output().includes('NOT VERIFIED'), { what: 'both were printed' });
    expect(output()).toContain('case.created?[2J  evt_1  attempt 2  verified');
    expect(output()).not.toContain('\u001b');
  } finally {
    child.kill('SIGINT');
    expect(await exited).toEqual([0, null]);
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each([
  [['--port', 'x'], '--port must be'],
  [['--secret', 'hello'], '--secret must be'],
])('refuses %j with a clear line', async (args, line) => {
  const { exited, output } = listen(args);
  expect(await exited).toEqual([2, null]);
  expect(output()).toContain(line);
});
