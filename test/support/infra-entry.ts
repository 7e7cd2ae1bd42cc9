import { infraCommand } from '../../src/cli/infra.ts';
import { AppError } from '../../src/domain/errors.ts';

try {
  process.exitCode = await infraCommand.run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
