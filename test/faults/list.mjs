/**
 * What the product has to survive, where that is tried, and what is looked at afterwards. `tests` are those of the spec whose whole
 * name fits. Specs print their seeds; FAULT_SEED repeats one.
 *
 * @type {{ fault: string, spec: string, tests: RegExp, checked: string }[]}
 */
export const FAULTS = [
  {
    fault: 'kill -9 in calls, at random moments',
    spec: 'ledger.spec.ts',
    tests: /./,
    checked: 'ledger = journal of the upstream, each call once, totals = rows, keys replay',
  },
  {
    fault: 'kill -9 in each phase of a call, and in the roll-up',
    spec: 'ledger-phases.spec.ts',
    tests: /./,
    checked: 'nothing open after a minute, unknown is not charged, both chains whole',
  },
  {
    fault: 'an answer that is lost, a ledger or trail that can not be written',
    spec: 'ledger-keys.spec.ts',
    tests: /./,
    checked: 'a retry is made once at most; without the record there is no call and no change',
  },
  {
    fault: 'kill -9 in a discovery',
    spec: 'product.spec.ts',
    tests: /of a discovery|after a discovery/,
    checked: 'the old or the new complete state, no run left behind, auto-sync follows',
  },
  {
    fault: 'kill -9 in a sync, a paused worker, two replicas racing for its job',
    spec: 'mapping-sync.spec.ts',
    tests: /kills at random|paused/,
    checked: 'items and deliveries as of an undisturbed sync, nothing twice',
  },
  {
    fault: 'an upstream that fails, is empty, or changes its order in the middle of a sync',
    spec: 'mapping-sync.spec.ts',
    tests: /^(?!.*(kills at random|paused))/,
    checked: 'nothing is deleted by mistake, each item once',
  },
  {
    fault: 'kill -9 in a rotation of keys',
    spec: 'commands.spec.ts',
    tests: /rotation/,
    checked: 'every credential opens meanwhile and afterwards, with the new key alone',
  },
  {
    fault: 'kill -9 in a migration',
    spec: 'commands.spec.ts',
    tests: /migration/,
    checked: 'the schema of an undisturbed migration',
  },
  {
    fault: 'PostgreSQL killed and restarted',
    spec: 'ledger-database.spec.ts',
    tests: /restarted/,
    checked: 'nothing acknowledged is lost, nothing charged twice, readiness tells the truth',
  },
  {
    fault: 'PostgreSQL paused',
    spec: 'ledger-database.spec.ts',
    tests: /paused/,
    checked: 'the same, and the process stays',
  },
  {
    fault: 'PostgreSQL that is there and does not answer',
    spec: 'database-away.spec.ts',
    tests: /./,
    checked: 'no request waits for long, everything works again without a restart',
  },
  {
    fault: 'the embedded PostgreSQL killed, with and without its product, or its folder in use',
    spec: 'embedded-postgres.spec.ts',
    tests: /./,
    checked: 'every committed row, one server for all processes, rights as they were',
  },
  {
    fault: 'connections of PostgreSQL terminated',
    spec: 'resources.spec.ts',
    tests: /loses its connections/,
    checked: '503 at worst, same process, ledger = journal',
  },
  {
    fault: 'PostgreSQL out of connections',
    spec: 'resources.spec.ts',
    tests: /no more connections/,
    checked: '503 at worst, same process, ledger = journal',
  },
  {
    fault: 'disk full',
    spec: 'resources.spec.ts',
    tests: /disk/,
    checked: '503 at worst, same process, ledger = journal, both chains whole',
  },
  {
    fault: 'no file descriptors left',
    spec: 'resources.spec.ts',
    tests: /file descriptors/,
    checked: 'same process, ledger = journal, serves again by itself',
  },
  {
    fault: 'clock jumps',
    spec: 'resources.spec.ts',
    tests: /clock/,
    checked: 'nobody is kept out for good, ledger = journal',
  },
  {
    fault: 'unhandled rejections',
    spec: 'resources.spec.ts',
    tests: /promises/,
    checked: 'same process, a line in the log',
  },
  ...[
    ['upstream hanging', / hangs /],
    ['upstream half-open and slow', /middle of its answer|is slow/],
    ['upstream resetting', /resets/],
    ['upstream flooding', /floods/],
    ['upstream with huge answers', /far too much/],
    ['upstream with a compressed bomb', /bomb/],
    ['upstream with endless pages', /lists pages/],
    ['upstream with endless SSE', /events without end/],
  ].map(([fault, tests]) => ({
    fault,
    spec: 'upstreams.spec.ts',
    tests,
    checked: 'no call of a neighbour fails, memory and file descriptors are as before, ledger = journal',
  })),
  {
    fault: 'all of these upstreams one after the other',
    spec: 'upstreams.spec.ts',
    tests: /did any of that/,
    checked: 'no call open, none lost or doubled, totals = rows, both chains whole',
  },
  {
    fault: 'SIGTERM under load, twice, and during the start',
    spec: 'product.spec.ts',
    tests: /told to stop/,
    checked: 'what was begun is finished, exit 0',
  },
  {
    fault: 'two replicas racing for the last unit of a budget',
    spec: 'ledger-replicas.spec.ts',
    tests: /budget/,
    checked: 'never exceeded, windows = rows',
  },
  {
    fault: 'two replicas, one of them paused for longer than its lease',
    spec: 'ledger-replicas.spec.ts',
    tests: /of which one is paused/,
    checked: 'a call is closed once, and what comes too late is not passed on',
  },
  {
    fault: 'two replicas restarted one after the other',
    spec: 'rolling-restart.spec.ts',
    tests: /./,
    checked: 'no acknowledged request is lost, no event without a resync',
  },
  {
    fault: 'PostgreSQL gone while a product works, and wrong configurations',
    spec: 'product.spec.ts',
    tests: /PostgreSQL is killed|refuses/,
    checked: '503 meanwhile, what was acknowledged is there; exit code 78 names every mistake',
  },
  {
    fault: 'a ledger of a million calls',
    spec: 'ledger-size.spec.ts',
    tests: /./,
    checked: 'every list and summary from indexes, under half a second',
  },
];
