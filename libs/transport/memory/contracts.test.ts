/** The adapters in memory keep what those on servers keep. */
import { randomBytes } from 'node:crypto';
import { suite } from 'node:test';
import {
  testAuditLog,
  testBacklog,
  testControlChannel,
  testLimitLedger,
  testModelRegistry,
  testOpenRuns,
  testPlacementStore,
  testProjectRecords,
  testReplyBus,
  testRequestBodies,
  testRunLog,
  testRunStore,
  testWorkQueue,
} from '../contracts/index.ts';
import { SealedRunLog, SealedRunStore } from '../sealed/index.ts';
import { KeyList, Vault } from '../vault/index.ts';
import {
  MemoryAuditLog,
  MemoryDataKeys,
  MemoryLimitLedger,
  MemoryModelRegistry,
  MemoryOpenRuns,
  MemoryPlacementStore,
  MemoryProjectRecords,
  MemoryReplyBus,
  MemoryRequestBodies,
  MemoryRunLog,
  MemoryRunStore,
  MemoryWorkQueue,
} from './index.ts';

let now = 1_000_000;
const clock = { now: () => now };

suite('work queue in memory', () => {
  const queue = new MemoryWorkQueue(clock);
  const elapse = async (ms: number) => {
    now += ms;
    queue.elapse();
  };
  testWorkQueue(() => ({ queue, elapse }));
  testControlChannel(() => ({ channel: queue, elapse }));
});

suite('reply bus in memory', () => {
  testReplyBus(async () => {
    const bus = new MemoryReplyBus();
    return { listener: bus, publisher: bus };
  });
  testModelRegistry(() => new MemoryModelRegistry());
  testPlacementStore(() => placements);
  const placements = new MemoryPlacementStore();
});

suite('audit log in memory', () => {
  testAuditLog(async () => {
    const log = new MemoryAuditLog();
    return [log, log];
  });
});

suite('request bodies in memory', () => {
  const bodies = new MemoryRequestBodies(clock);
  testRequestBodies(() => bodies);
});

suite('run store in memory', () => {
  const runs = new MemoryRunStore(clock);
  const log = new MemoryRunLog(runs);
  const elapse = async (ms: number) => {
    now += ms;
  };
  testRunStore(() => ({ runs, elapse }));
  testBacklog(() => ({ runs, elapse }));
  testRunLog(() => ({ runs, log }));
  const open = new MemoryOpenRuns(runs);
  testOpenRuns(() => ({ runs, open, elapse }));
});

suite('run store in memory, sealed', () => {
  const keys = KeyList.parse(`k:${randomBytes(32).toString('base64')}`, 'X');
  const vault = new Vault({
    ...{ records: new MemoryDataKeys(), wrapper: keys, isOn: true },
    clock: { ...clock, monotonic: () => now },
  });
  const store = new MemoryRunStore(clock);
  const runs = new SealedRunStore(store, vault);
  const log = new SealedRunLog(new MemoryRunLog(store), vault, runs);
  const elapse = async (ms: number) => {
    now += ms;
  };
  testRunStore(() => ({ runs, elapse }));
  testBacklog(() => ({ runs, elapse }));
  testRunLog(() => ({ runs, log }));
});

suite('project records in memory', () => {
  const records = new MemoryProjectRecords();
  testProjectRecords(() => records);
});

suite('limits in memory', () => {
  const ledger = new MemoryLimitLedger(clock);
  const elapse = async (_project: string, ms: number) => {
    now += ms;
  };
  testLimitLedger(() => ({ ledgers: [ledger, ledger], elapse }));
});
