/** What a server refuses is refused command by command, also in a batch: its neighbours are not. */
import test from "ava";
import { Redis } from "ioredis";
import type { TcpTestNode } from "../src/testing/index.ts";
import {
  adminOf,
  COUNTS,
  calm,
  inOneTick,
  inPipeline,
  mixed,
  type Outcome,
  READS,
  textOf,
  WRITES,
} from "./helpers/lane.ts";
import type { Call } from "./helpers/pipelines.ts";
import { at, keysOn, type Rig, setUp, until, watchRejections } from "./helpers/setup.ts";

watchRejections(test);

const NODES = ["node1", "node2", "node3"];

interface Arena extends Rig {
  /** ioredis' own client of node2's server. */
  readonly admin: Redis;
}

interface Refusal {
  /** Has node2 of three refuse commands. */
  readonly begin: (arena: Arena) => unknown;
  readonly end: (arena: Arena) => unknown;
  readonly error: RegExp;
  /** Whether reads are refused too. */
  readonly reads: boolean;
  /** Whether it ends by itself, so that later commands may be answered. */
  readonly passes?: boolean;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "is out of memory": {
    begin: ({ admin }) => admin.config("SET", "maxmemory", "1"),
    end: ({ admin }) => admin.config("SET", "maxmemory", "0"),
    error: /^OOM command not allowed/,
    reads: false,
  },
  "is a replica": {
    begin: ({ admin }) => admin.replicaof("127.0.0.1", "1"),
    end: ({ admin }) => admin.replicaof("NO", "ONE"),
    error: /^READONLY /,
    reads: false,
  },
  "is a replica that serves nothing": {
    begin: async ({ admin }) => {
      await admin.config("SET", "replica-serve-stale-data", "no");
      await admin.replicaof("127.0.0.1", "1");
    },
    end: ({ admin }) => admin.replicaof("NO", "ONE"),
    error: /^(MASTERDOWN|READONLY) /,
    reads: true,
  },
  "has too few replicas": {
    begin: ({ admin }) => admin.config("SET", "min-replicas-to-write", "1"),
    end: ({ admin }) => admin.config("SET", "min-replicas-to-write", "0"),
    error: /^NOREPLICAS /,
    reads: false,
  },
  "forbids the user what they ask for": {
    begin: ({ admin }) => admin.acl("SETUSER", "default", "-@string"),
    end: ({ admin }) => admin.acl("SETUSER", "default", "+@all"),
    error: /^NOPERM /,
    reads: true,
  },
  "no longer knows the user": {
    begin: async ({ admin, redis }) => {
      await admin.config("SET", "requirepass", "secret");
      await redis.node("node2").call("RESET");
    },
    end: async ({ admin, proxies }) => {
      await admin.config("SET", "requirepass", "");
      // With RESET its connection has forgotten RESP3 too.
      at(proxies, 1).cut();
    },
    error: /^NOAUTH /,
    reads: true,
  },
  "is busy with a script": {
    begin: async ({ admin, servers }) => {
      await admin.config("SET", "busy-reply-threshold", "10");
      admin.eval("while true do end", 0).catch(() => {});
      await untilRefused(at(servers, 1), "BUSY");
    },
    end: async ({ servers }) => {
      const { host, port } = at(servers, 1);
      const other = new Redis(port, host, { enableReadyCheck: false, disableClientInfo: true });
      await other.script("KILL");
      other.disconnect();
    },
    error: /^BUSY /,
    reads: true,
  },
  "is loading its data": {
    begin: async ({ admin, servers, redis }) => {
      // To load 8000 keys with 500 µs each takes 4 s.
      const keys = keysOn(redis, "node2", 8000, "filler");
      await redis.mset(keys.flatMap((key) => [key, "value"]));
      admin.call("DEBUG", "RELOAD").catch(() => {});
      await untilRefused(at(servers, 1), "LOADING");
    },
    end: ({ admin }) => admin.ping(),
    error: /^LOADING /,
    reads: true,
    passes: true,
  },
};

/** Loading takes long, and answers are given in between. */
const ARGS = [
  ...["--enable-debug-command", "yes", "--key-load-delay", "500"],
  ...["--loading-process-events-interval-bytes", "1024"],
];

for (const [name, { begin, end, error: message, reads, passes = false }] of Object.entries(
  REFUSALS,
)) {
  test(`a server that ${name}`, async (t) => {
    const rig = await setUp(t, 3, { commandTimeout: 20_000 }, { args: ARGS });
    const { redis, proxies, servers } = rig;
    const arena = { ...rig, admin: adminOf(t, at(servers, 1)) };
    const onNode2 = (key: string) => redis.nodeFor(key).name === "node2";
    // No more, as a server takes at most ten arguments of those whom it does not know.
    const keysOf = (label: string) => mixed(NODES.map((node) => keysOn(redis, node, 4, label)));
    for (const label of Object.keys(READS)) {
      await redis.mset(keysOf(label).flatMap((key) => [key, textOf(key)]));
    }
    await begin(arena);
    const { connections } = at(proxies, 1);

    const check = ({ value, error }: Outcome, isRefused: boolean, wanted: unknown) => {
      if (!isRefused || (passes && error === undefined)) {
        t.is(error, undefined);
        t.deepEqual(value, wanted);
      } else if (error instanceof Error) {
        t.is(error.name, "ReplyError");
        t.regex(error.message, message);
        t.is(typeof Reflect.get(Object(Reflect.get(error, "command")), "name"), "string");
      } else t.fail(`it was answered with ${value}`);
    };
    const ask = async (
      ways: typeof READS,
      isRefused: boolean,
      wanted: (key: string) => unknown,
    ) => {
      for (const [label, way] of Object.entries(ways)) {
        const keys = keysOf(label);
        for (const [index, outcome] of (await way(redis, keys)).entries()) {
          const key = at(keys, index);
          check(outcome, isRefused && onNode2(key), wanted(key));
        }
      }
    };
    await ask(READS, reads, textOf);
    await ask(COUNTS, true, () => 1);
    await ask(WRITES, true, () => "OK");

    // Some of a batch are refused, and those between them are not.
    const [key = "", other = ""] = keysOf("mget").filter(onNode2);
    const together: readonly { call: Call; isRefused: boolean; wanted: unknown }[] = [
      { call: ["get", key], isRefused: reads, wanted: textOf(key) },
      { call: ["set", key, textOf(key)], isRefused: true, wanted: "OK" },
      { call: ["strlen", other], isRefused: reads, wanted: textOf(other).length },
      { call: ["append", `{${key}}:new`, "x"], isRefused: true, wanted: 1 },
      { call: ["mget", other], isRefused: reads, wanted: [textOf(other)] },
    ];
    const calls = together.map(({ call }) => call);
    for (const outcomes of [
      await inOneTick(redis, calls),
      await inPipeline(redis.pipeline(), calls),
    ]) {
      for (const [index, { isRefused, wanted }] of together.entries()) {
        if (!passes) check(at(outcomes, index), isRefused, wanted);
      }
    }
    t.is(at(proxies, 1).connections, connections, "a refusal does not break the connection");
    await end(arena);
    await calm(redis, "node2");
    const written = [...Object.keys(COUNTS), ...Object.keys(WRITES)]
      .flatMap(keysOf)
      .filter(onNode2);
    if (!passes)
      t.deepEqual(
        await redis.mget(written),
        written.map(() => null),
      );
    for (const label of Object.keys(READS)) {
      t.deepEqual(await redis.mget(keysOf(label)), keysOf(label).map(textOf));
    }
  });
}

// --- Helpers ------------------------------------------------------------------------------------

/** Waits until a server answers a command with an error that begins with a word. */
async function untilRefused({ host, port }: TcpTestNode, word: string): Promise<void> {
  const client = new Redis(port, host, { enableReadyCheck: false, disableClientInfo: true });
  try {
    await until(async () => String(await client.get("key").catch(String)).includes(word), word);
  } finally {
    client.disconnect();
  }
}
