const LONGEST_DERIVED = 48;

/** `Acme Jira (EU)` becomes `acme-jira-eu`; a name without a single letter or digit becomes `server`. */
export function slugFrom(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, LONGEST_DERIVED)
    .replace(/-+$/, '');
  return slug === '' ? 'server' : slug;
}
