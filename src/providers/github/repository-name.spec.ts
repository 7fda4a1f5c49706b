import * as fc from 'fast-check';
import { apiUrlOf } from './api-address.js';
import {
  checkedBranch,
  checkedRef,
  pathSegments,
  repositoryIn,
  repositoryName,
  repositoryOfUrl,
} from './repository-name.js';

describe('the address of an API', () => {
  it.each([
    ['https://api.github.com', 'https://api.github.com'],
    ['https://api.github.com/', 'https://api.github.com'],
    ['https://github.com', 'https://api.github.com'],
    ['https://www.github.com/acme', 'https://api.github.com'],
    ['https://acme.ghe.com', 'https://api.acme.ghe.com'],
    ['https://api.acme.ghe.com/', 'https://api.acme.ghe.com'],
    ['https://ghe.example.com', 'https://ghe.example.com/api/v3'],
    ['https://ghe.example.com/api/v3/', 'https://ghe.example.com/api/v3'],
    ['http://ghe.example.com:8080?x#y', 'http://ghe.example.com:8080/api/v3'],
    ['https://gateway.example.com/github/v3', 'https://gateway.example.com/github/v3'],
    ['https://github.com.example.com', 'https://github.com.example.com/api/v3'],
  ])('of %s is %s', (typed, address) => {
    expect(apiUrlOf(typed)).toBe(address);
  });

  it.each(['', 'github.com', 'file:///etc', 'javascript:x'])('is not %j', (typed) => {
    expect(() => apiUrlOf(typed)).toThrow('base_url is no address');
  });
});

describe('names within GitHub', () => {
  const odd = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom('..', '.', '%2e%2e', '../', 'a/../b', '\\', '?x', '#y', '', 'app', '.git', ' ', '\n', 'ａ'),
  );
  const text = fc.array(odd, { maxLength: 5 }).map((pieces) => pieces.join(''));

  it('never lead to another place of the API, whatever they are', () => {
    fc.assert(
      fc.property(text, text, fc.array(odd, { maxLength: 6 }), (owner, repo, pieces) => {
        const name = repositoryName(owner, repo);
        const segments = pathSegments(pieces.join('/'));
        if (name === null || segments === null) return;
        const path = `/repos/${owner}/${repo}/contents/${segments.map(encodeURIComponent).join('/')}`;
        const url = new URL(`https://api.github.com${path}`);
        expect([url.pathname.split('/').length, url.search, url.hash]).toEqual([
          5 + Math.max(1, segments.length),
          '',
          '',
        ]);
        expect(url.pathname.startsWith(`/repos/${owner}/${repo}/contents/`)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('are owner and repository together, and nothing more', () => {
    expect(repositoryIn('acme/app')).toEqual({ owner: 'acme', repo: 'app' });
    expect(repositoryIn('octo_corp/.github')).toEqual({ owner: 'octo_corp', repo: '.github' });
    for (const other of [
      'acme',
      'acme/',
      '/app',
      'acme/app/lib',
      'acme/..',
      'acme/app.git',
      'acme /app',
      '-a/b',
      'a/b c',
    ])
      expect(repositoryIn(other)).toBeNull();
    expect(repositoryOfUrl('https://ghe.example.com/api/v3/repos/acme/app/issues/1')).toBe('acme/app');
    expect(repositoryOfUrl('https://api.github.com/repositories/7/issues')).toBeNull();
  });

  it('of branches and tags may be of hexadecimal digits where they are written out', () => {
    for (const ref of ['main', 'release/1.0', 'refs/heads/cafe', 'refs/tags/2024', 'v1.0', 'feature_x'])
      expect(checkedRef(ref)).toBe(ref);
    for (const ref of ['cafe', '2024', '0123456789abcdef', 'v1-2-gcafe'])
      expect(() => checkedRef(ref)).toThrow('refs/heads/main');
    expect(checkedBranch('cafe')).toBe('cafe');
    for (const ref of ['', '/main', 'a//b', 'a b', 'a:b', 'a..b', '-b', 'x'.repeat(300)])
      expect(() => checkedBranch(ref)).toThrow();
  });
});
