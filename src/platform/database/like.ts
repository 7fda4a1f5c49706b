/** Any text that contains what a person typed, which may hold wildcards of LIKE. For `ILIKE :search`. */
export function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}
