/** Namespace of every event record, before its domain. */
const NAMESPACE = 'posthorn.events';

/** `screening.completed`, `non_document.check_initiated`, `order.line.added`: a domain and what happened, in snake case. */
const EVENT_TYPE = /^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){1,4}$/;

/** May a type of the catalogue be called so? */
export function isEventTypeName(text: string): boolean {
  return EVENT_TYPE.test(text);
}

/** The part before the first dot: `screening` of `screening.completed`. */
function domainOf(type: string): string {
  const dot = type.indexOf('.');
  return dot === -1 ? type : type.slice(0, dot);
}

/** The topic that events of this type are published to. */
export function eventTopicOf(type: string): string {
  return `events.${domainOf(type)}`;
}

/** The full name of the type's Avro record: `posthorn.events.screening.Completed` of `screening.completed`. */
export function recordNameOf(type: string): string {
  const rest = type.slice(domainOf(type).length + 1);
  return `${NAMESPACE}.${domainOf(type)}.${pascalCase(rest)}`;
}

/** `check_initiated` and `check.initiated` become `CheckInitiated`. */
export function pascalCase(text: string): string {
  return text
    .split(/[._]/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
