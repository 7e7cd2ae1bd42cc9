import { createHmac, randomBytes } from 'node:crypto';
import { Agent, request } from 'undici';

/**
 * The yardstick, run as a process of its own: signs and sends the same bodies with bare undici, keep-alive, a fixed number at a
 * time, with no queue and no log. Arguments: URL, requests, body bytes, requests at once. Prints JSON.
 */
const [url = '', count = '0', bodyBytes = '0', atOnce = '64'] = process.argv.slice(2);
const total = Number(count);
const key = randomBytes(39);
const agent = new Agent({ connections: Number(atOnce), pipelining: 1 });
const body = Buffer.from(
  JSON.stringify({ id: 'e', type: 'bench.measured', data: { payload: 'x'.repeat(Number(bodyBytes)) } }),
);

let next = 0;

async function sendAll(): Promise<void> {
  while (next < total) {
    const id = `bare-${next++}`;
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    const response = await request(url, {
      method: 'POST',
      dispatcher: agent,
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': `v1,${signature}`,
      },
    });
    await response.body.dump();
  }
}

const startedMs = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, sendAll));
const seconds = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage();
process.stdout.write(JSON.stringify({ perSecond: total / seconds, cpuUs: (user + system) / total }));
await agent.close();
