import { createHash } from 'node:crypto';
import type { OpenApiDocument, Operation } from './openapi.ts';

/** A page of HTML and the content security policy that it needs: one style, no script, nothing from elsewhere. */
export interface DocsPage {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

/** Shows the OpenAPI document for people, complete and without a script. */
export function docsPage(document: OpenApiDocument): DocsPage {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const styleHash = createHash('sha256').update(STYLE).digest('base64');
  return {
    html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(document.info.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escape(document.info.title)}</h1><p>${prose(document.info.description)}</p>
<p>Version ${escape(document.info.version)} · <a href="/openapi.json">openapi.json</a></p>
<p>Send your API key as <code>Authorization: Bearer &lt;key&gt;</code> or <code>X-API-Key: &lt;key&gt;</code>.</p>
<nav><ul>${operations.map(({ method, path, operation }) => link(method, path, operation)).join('')}</ul></nav>
${operations.map(({ method, path, operation }) => section(method, path, operation)).join('\n')}
</main></body></html>
`,
    contentSecurityPolicy: `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

function link(method: string, path: string, operation: Operation): string {
  return `<li><a href="#${escape(operation.operationId)}">${methodAndPath(method, path)}</a> ${escape(operation.summary)}</li>`;
}

function section(method: string, path: string, operation: Operation): string {
  return `<section id="${escape(operation.operationId)}"><h2>${escape(operation.summary)}</h2>
<p class="route">${methodAndPath(method, path)}</p><p>${prose(operation.description)}</p>
${requestTable(operation)}${Object.entries(operation.responses)
  .map(([status, response]) => {
    const [content] = Object.values(response.content);
    const example =
      content?.example === undefined ? '' : `<pre>${escape(JSON.stringify(content.example, null, 2))}</pre>`;
    return `<h3>${escape(status)} ${escape(response.description)}</h3>${example}`;
  })
  .join('')}</section>`;
}

function requestTable(operation: Operation): string {
  const schema = operation.requestBody?.content['application/json']?.schema;
  const properties = record(schema?.['properties']);
  const required = Array.isArray(schema?.['required']) ? schema['required'] : [];
  const rows = Object.entries(properties).map(([name, value]) => {
    const field = record(value);
    const type = [field['type']].flat().map(String).join(' or ');
    const description = typeof field['description'] === 'string' ? field['description'] : '';
    const isRequired = required.includes(name) ? 'Yes' : 'No';
    return `<tr><td><code>${escape(name)}</code></td><td>${escape(type)}</td><td>${isRequired}</td><td>${prose(description)}</td></tr>`;
  });
  if (rows.length === 0) return '';
  return `<table><thead><tr><th>Field</th><th>Type</th><th>Required</th><th>Description</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function methodAndPath(method: string, path: string): string {
  return `<code><b>${escape(method.toUpperCase())}</b> ${escape(path)}</code>`;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Text with `code` in backticks. */
function prose(text: string): string {
  return escape(text).replaceAll(/`([^`]*)`/g, '<code>$1</code>');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const STYLE = `
:root{color-scheme:light dark;font:16px/1.55 system-ui,sans-serif}
main{max-width:52rem;margin:2rem auto;padding:0 1rem}
code,pre{font:.9em ui-monospace,monospace}
pre{padding:1rem;border-radius:.5rem;background:#8882;overflow-x:auto}
section{border-top:1px solid #8886;margin-top:2.5rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid #8884}
h3{font-size:1rem;margin:1.2rem 0 .3rem}.route{font-size:1.1rem}nav ul{list-style:none;padding:0}
`;
