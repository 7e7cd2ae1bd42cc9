/**
 * True when every system behind us can hold the text: PostgreSQL refuses NUL, and a lone surrogate is no Unicode text
 * (it would be stored as another character than the one that came).
 */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
