/** Loaded before Posthorn by `node --import`, with `?blockMs=N`: each SIGUSR2 blocks the event loop for as long. */
const blockMs = Number(new URL(import.meta.url).searchParams.get('blockMs'));

process.on('SIGUSR2', () => {
  for (const endMs = performance.now() + blockMs; performance.now() < endMs; ) Math.sqrt(endMs);
});
