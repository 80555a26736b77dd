/** The default scheme: who owns the slots, and what moves when nodes come and go. */
import test from "ava";
import { Placement, type PlacementNode } from "../src/index.ts";

/** One key in each slot, by slot. */
const keyOfSlot: readonly string[] = (() => {
  const one = new Placement(["a"]);
  const keys = new Map<number, string>();
  for (let number = 0; keys.size < 16384; number++) {
    const slot = one.explain(String(number)).slot ?? -1;
    if (!keys.has(slot)) keys.set(slot, String(number));
  }
  return Array.from({ length: 16384 }, (_, slot) => keys.get(slot) ?? "");
})();

const owners = (placement: Placement) => placement.plan(keyOfSlot).owners;

/** Ways in which people name their nodes. */
const patterns: Record<string, (number: number) => PlacementNode> = {
  node: (number) => `node${number}`,
  "redis-": (number) => `redis-${number}`,
  "bare numbers": (number) => String(number),
  "two digits": (number) => `shard-${String(number).padStart(2, "0")}`,
  "one letter and more": (number) => `${String.fromCharCode(97 + (number % 26))}${number}`,
  "addresses in a row": (number) => ({ host: `10.0.${number >> 8}.${number & 255}`, port: 6379 }),
  "ports in a row": (number) => ({ host: "127.0.0.1", port: 7000 + number }),
  "stateful set": (number) => `redis-${number}.redis-headless.prod.svc.cluster.local`,
  "racks of four": (number) => `eu-west-1${"abc"[number % 3]}-rack${number >> 2}-${number % 4}`,
  "long and alike": (number) => `${"cache".repeat(12)}${number}`,
};

const named = (pattern: (number: number) => PlacementNode, count: number) =>
  Array.from({ length: count }, (_, index) => pattern(index + 1));

test("no node is more than 5 % above its share, from 1 node to 100", (t) => {
  let worst = 0;
  for (let count = 1; count <= 100; count++) {
    const { counts } = new Placement(named((number) => `node${number}`, count)).plan(keyOfSlot);
    worst = Math.max(worst, (Math.max(...counts) * count) / 16384);
    t.true(Math.min(...counts) > 0, `${count} nodes, and one has nothing`);
  }
  t.true(worst <= 1.05, `${worst}`);
  t.log(`at worst ${worst.toFixed(4)} of its share`);
});

test("however the nodes are named", (t) => {
  for (const [pattern, name] of Object.entries(patterns)) {
    for (const count of [3, 10, 30, 100]) {
      const { counts } = new Placement(named(name, count)).plan(keyOfSlot);
      const most = (Math.max(...counts) * count) / 16384;
      t.true(most <= 1.05, `${most} of its share: ${count} nodes, ${pattern}`);
    }
  }
});

test("weights are shares, and no node is more than 5 % above its own", (t) => {
  for (const weights of [
    [1, 2, 3],
    [0.5, 0.25, 0.25],
    [1, 1, 10],
    [5, 1, 1, 1, 1, 1, 1, 1, 1],
  ]) {
    const nodes = weights.map((weight, index) => ({ name: `n${index}`, weight }));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const { counts } = new Placement(nodes).plan(keyOfSlot);
    for (const [index, weight] of weights.entries()) {
      const share = (16384 * weight) / total;
      const load = (counts[index] ?? 0) / share;
      t.true(load <= 1.05 && load >= 0.75, `${load} of the share of ${weight} in ${weights}`);
    }
  }
});

/** How many slots move for each that a new node takes over. */
function movedForEachTaken(name: (number: number) => PlacementNode, count: number): number {
  const before = owners(new Placement(named(name, count)));
  const after = owners(new Placement(named(name, count + 1)));
  let [moved, taken] = [0, 0];
  for (const [slot, owner] of after.entries()) {
    if (owner === count) taken += 1;
    if (owner !== before[slot]) moved += 1;
  }
  return moved / taken;
}

for (const [count, most] of [
  [3, 1.1],
  [30, 1.1],
  [100, 1.35],
] as const) {
  test(`node ${count + 1} moves at most ${most} slots for each it takes over`, (t) => {
    const ratios = Object.entries(patterns).map(
      ([pattern, name]) => [pattern, movedForEachTaken(name, count)] as const,
    );
    for (const [pattern, ratio] of ratios) t.true(ratio <= most, `${ratio}: ${pattern}`);
    const [pattern, ratio] = ratios.reduce((worst, one) => (one[1] > worst[1] ? one : worst));
    t.log(`at worst ${ratio.toFixed(3)}: ${pattern}`);
  });
}

test("a node that leaves gives away its slots, and few others move", (t) => {
  const names = named((number) => `node${number}`, 10).map(String);
  const before = new Placement(names);
  for (const gone of ["node1", "node5", "node10"]) {
    const after = new Placement(names.filter((name) => name !== gone));
    const { moved, moves } = before.diff(after, keyOfSlot);
    const given = moves.reduce((sum, { from, keys }) => sum + (from === gone ? keys : 0), 0);
    t.is(given, before.plan(keyOfSlot).groups().get(gone)?.length ?? 0);
    t.true(moved <= given * 1.35, `${moved} moved, ${given} of them from ${gone}`);
  }
});

test("names decide; addresses and the order of the list do not", (t) => {
  const before = new Placement([
    { name: "a", host: "10.0.0.1" },
    { name: "b", host: "10.0.0.2" },
    { name: "c", host: "10.0.0.3" },
  ]);
  const after = new Placement([
    "redis://192.168.7.7:7000/3?name=c",
    { name: "a", path: "/s" },
    "b",
  ]);
  t.is(before.diff(after, keyOfSlot).moved, 0);
  t.is(before.diff(new Placement(["a", "b", "d"]), keyOfSlot).moves.length > 0, true);
});

test("without names it is the addresses that decide", (t) => {
  const objects = new Placement([{ host: "10.0.0.1", port: 7000 }, { host: "::1" }]);
  t.deepEqual(objects.nodes, ["10.0.0.1:7000", "[::1]:6379"]);
  const urls = new Placement(["redis://10.0.0.1:7000/1", "redis://[::1]"]);
  t.is(objects.diff(urls, keyOfSlot).moved, 0);
});

test("equal weights are no weights", (t) => {
  const weighted = ["a", "b", "c"].map((name) => ({ name, weight: 2 }));
  t.is(new Placement(weighted).diff(new Placement(["a", "b", "c"]), keyOfSlot).moved, 0);
});

test("an explicit table, as ranges or slot by slot, is all that counts", (t) => {
  const ranges = new Placement(["b", "a"], {
    scheme: "slots",
    table: {
      a: [
        [0, 99],
        [12182, 12182],
      ],
      b: [
        [100, 12181],
        [12183, 16383],
      ],
    },
  });
  t.is(ranges.nodeFor("foo"), "a", "slot 12182");
  t.is(ranges.plan(keyOfSlot).groups().get("a")?.length, 101);

  const table = keyOfSlot.map((_, slot) => (slot <= 99 || slot === 12182 ? "a" : "b"));
  const slotBySlot = new Placement(["a", "b"], { scheme: "slots", table });
  t.is(ranges.diff(slotBySlot, keyOfSlot).moved, 0);
  const cluster = new Placement(["a", "b"], { scheme: "redis-cluster", table });
  t.is(ranges.diff(cluster, keyOfSlot).moved, 0);
  t.deepEqual(
    [...owners(cluster)],
    table.map((name) => ["a", "b"].indexOf(name)),
  );
});

test("a node may own no slot at all, as one that is being drained", (t) => {
  const table = { a: [[0, 16383]] } as const;
  const placement = new Placement(["a", "empty"], { scheme: "slots", table });
  t.deepEqual([...placement.plan(keyOfSlot).counts], [16384, 0]);
});
