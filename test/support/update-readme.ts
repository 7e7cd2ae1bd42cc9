import { readFileSync, writeFileSync } from 'node:fs';
import { DOCUMENTS_WITH_TABLES, withTables } from './readme-tables.ts';

for (const document of DOCUMENTS_WITH_TABLES) {
  writeFileSync(document, withTables(document, readFileSync(document, 'utf8')));
}
