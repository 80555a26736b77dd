/** The page of `docs/commands.md`, made of the command table. */
import type { Merge, Policy } from "../src/commands/policies.ts";
import { COMMANDS, type CommandRow } from "../src/commands/table.ts";

const MERGES: Readonly<Record<Merge, string>> = {
  each: "a reply for each key, in their order",
  sum: "the sum",
  least: "the least",
  same: "the reply of the first, if all succeed",
  some: "the reply of one that succeeds",
  list: "one list after another",
  keys: "one list after another",
  text: "one text after another",
};

const STEPS: Readonly<Record<Extract<Policy, { kind: "steps" }>["name"], string>> = {
  probe: "the nodes of its keys, one after another",
  streams: "the nodes of its keys, at once",
  "all or none": "the nodes of its keys, step by step; all or none",
};

function strategy(policy: Policy): string {
  switch (policy.kind) {
    case "node":
      return "the node of its keys";
    case "split": {
      const uncut = policy.uncut?.map((option) => `\`${option.toUpperCase()}\``).join(" or ");
      const alone = uncut === undefined ? "" : `; with ${uncut} on one node only`;
      return `cut by node; ${MERGES[policy.merge]}${alone}`;
    }
    case "ship":
      return policy.written === "none"
        ? "the node that has most of its keys, with copies of the others"
        : `the node of its ${policy.written} key, which it writes, with copies of the others`;
    case "sort":
      return "the node of its key, or where it stores, with copies of what it reads elsewhere";
    case "move":
      return "the nodes of its two keys, step by step";
    case "steps":
      return STEPS[policy.name];
    case "channel":
      return "the node that the channel is placed on";
    case "subscribe":
      return "connections of its own, to the nodes of the channels, or to all for patterns";
    case "every":
      return `every node; ${MERGES[policy.merge]}`;
    case "any":
      return "the first node";
    case "special":
      return policy.name === "scan"
        ? "every node, one after another"
        : "a node by its share of keys";
    case "refuse":
      return `refused: use ${policy.wayOut}`;
  }
}

function section(title: string, rows: readonly CommandRow[]): string {
  const lines = rows.map(
    ({ name, access, policy, atomicity }) =>
      `| \`${name.replace("|", " ")}\` | ${access} | ${strategy(policy)} | ${atomicity} |`,
  );
  return [
    `## ${title}`,
    "",
    "| command | access | runs on | atomicity |",
    "| --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

/** The whole page. */
export function describeCommands(): string {
  const rows = [...COMMANDS.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const of = (...kinds: Policy["kind"][]) =>
    rows.filter(({ policy }) => kinds.includes(policy.kind));
  return [
    `# Commands

What shardis does with each command. Generated from the command table by
\`npm run generate:commands\`; a test holds it to be current.

A command whose keys all lie on one node goes there unchanged, and is as atomic as it
is in Redis. \`per node\` is atomic on each node, and not over all of them. Commands
with \`emulated\` run in several steps, which others may see between; where all keys lie on
one node they too are atomic. Commands that are refused reject with \`UNSUPPORTED\`, and
those whose keys lie on several nodes with \`CROSS_NODE\`; neither is sent.

Where a reply differs from that of one Redis:

- \`scan\` has cursors of its own, which end with \`"0"\` as always.
- \`info\` is the texts of all nodes, each below a line \`# Node name\`.
- \`slowlog get\`, \`keys\` have the entries of one node after those of another.
- \`dbsize\` also counts short-lived keys of shardis' own, for the moment until they are
  dropped; \`keys\`, \`scan\` and \`randomkey\` leave them out.
- \`script exists\` is 1 only where every node knows the script.
- \`keys\` and \`scan\` take patterns as they are, without the \`keyPrefix\`, and keys come
  back as they are stored.
- \`watch\` and \`unwatch\` are refused: \`redis.transaction(keys, work)\` watches keys on a
  connection of its own.
- A transaction takes no command for all nodes, and what blocks does not block in it. In a
  pipeline a blocking command holds up what comes after it.
- Where all servers refuse a command alike, that is its error; where only some nodes fail,
  it is a \`PartialFailureError\` with what the others answered.
- \`rename\`, \`renamenx\`, \`copy\`, \`smove\`, \`lmove\`, \`blmove\` and the like between two nodes run
  step by step. A key is copied, and deleted at its source only if it is still what was
  copied; for a moment others see both. An element is taken into a journal on the node
  where it was, and from there given to the other node; for a moment others see neither.
  If a client crashes in between, the next client that uses such a command, or
  \`redis.recover()\`, finishes the rest, once it is half a minute old. They reject with
  \`CONFLICT\` if the keys were changed whenever they had been copied.
- \`msetnx\` over several nodes sets all keys or none: what it has set is taken back if a key
  exists or a node fails, or if its client crashes, by the next run as above, unless
  somebody has changed it since. For a moment others may see some of the keys without the
  others, also those that are taken back; to a rival \`msetnx\` these exist.
- What blocks does not block on the servers if its keys lie on several nodes: it is asked for
  once, and again whenever they tell that one of its keys has changed (\`CLIENT TRACKING\`).
  Who blocks on a server itself is served first, and between clients that ask again there is
  no order. A key that becomes one of the wrong type ends the wait with \`WRONGTYPE\`.
- \`xreadgroup\` delivers nothing unless all streams have the group. If a node fails when others
  have delivered, what they delivered is in the results of a \`PartialFailureError\`.
- \`eval_ro\`, \`evalsha_ro\` and \`fcall_ro\` over several nodes run on copies, whose names they
  see in place of those of their keys.
- \`copy\` with \`DB\` works only where both keys lie on one node.
- Users restricted by ACL need \`~shardis:*\`, DUMP and RESTORE for what is emulated, EVAL for
  moves and \`msetnx\`, MULTI, EXEC, EXISTS, CLIENT ID, CLIENT TRACKING and SUBSCRIBE to the
  channel \`__redis__:invalidate\` for what waits, XPENDING for \`xreadgroup\` and XREVRANGE for
  \`$\`. Servers that refuse these refuse those commands between nodes.
- A part of \`mset\`, \`msetex\` or \`json.mset\` that a node refuses is not set; what the
  others have set stays, as the error says. \`msetex\` with \`NX\` or \`XX\` would be all or
  nothing, for which what it replaces would have to be kept: it is refused between nodes.
- A count of keys that no command could have, such as 0, is refused before a server sees
  it, with a code of shardis' own.
- \`sort\` with \`BY\` or \`GET\` patterns reads keys that may lie anywhere, unless the part
  before the asterisk has the hash tag of the other keys. Then it takes up to nine round
  trips: the collection is copied, and the value of every key that the patterns name for its
  elements, to the node that sorts. Values may change while others are copied.`,
    section(
      "Over several nodes",
      of("split", "ship", "sort", "move", "steps", "channel", "subscribe", "every", "special"),
    ),
    section("On one node that need not be chosen", of("any")),
    section("On the node of their keys", of("node")),
    section("Refused", of("refuse")),
    "",
  ].join("\n\n");
}
