#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { readMachine } from './config.ts';

// Most of a start is compiling; what was compiled once is kept. Where nothing can be written it is compiled anew.
enableCompileCache(join(readMachine().cacheDir, 'compiled'));
const { runCli } = await import('./cli/main.ts');
process.exitCode = await runCli(process.argv.slice(2));
// Everything is stopped or past its deadline; what still holds on, such as a hanging connection, must not keep us.
setTimeout(() => process.exit(), 1_000).unref();
