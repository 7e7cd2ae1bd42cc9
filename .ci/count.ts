import { readFileSync } from 'node:fs';

/** The part of vitest's JSON report that is counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

const [reportFile = '', checkExitCode, testExitCode] = process.argv.slice(2);
const report = readReport(reportFile);
const checkFailures = checkExitCode === '0' ? 0 : 1;
// A file that does not load, or an error outside a test, fails the run without failing a test.
const hiddenFailures = testExitCode !== '0' && report.numFailedTests === 0 ? 1 : 0;
const failed = report.numFailedTests + checkFailures + hiddenFailures;
const skipped = report.numPendingTests + report.numTodoTests;

console.log(`${report.numPassedTests} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
process.exitCode = failed === 0 ? 0 : 1;

function readReport(file: string): Report {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // No report: the run ended before its first test, which the exit code tells too.
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
