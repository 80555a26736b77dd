/** What one writes without shardis: a client for each server, and a hash that chooses one. */
import { crc32 } from "node:zlib";
import type { Address, Client, Connect } from "../clients.ts";

// biome-ignore-start lint/style/noNonNullAssertion: checks would slow the rival down
export async function shardByHand(
  addresses: readonly Address[],
  connect: Connect,
): Promise<Client> {
  const nodes = await Promise.all(addresses.map((address) => connect(address)));

  function indexOf(key: string): number {
    return crc32(key) % nodes.length;
  }

  /** Asks all servers at once, each for its part, and puts the answers in the order of the items. */
  async function gather<Item>(
    items: readonly Item[],
    keyOf: (item: Item) => string,
    ask: (node: Client, items: Item[]) => Promise<readonly unknown[]>,
  ): Promise<unknown[]> {
    const parts = nodes.map((node) => ({ node, items: [] as Item[], positions: [] as number[] }));
    for (let position = 0; position < items.length; position++) {
      const part = parts[indexOf(keyOf(items[position]!))]!;
      part.items.push(items[position]!);
      part.positions.push(position);
    }
    const answers = new Array<unknown>(items.length);
    await Promise.all(
      parts.map(async ({ node, items, positions }) => {
        if (items.length === 0) return;
        const ofPart = await ask(node, items);
        for (let at = 0; at < ofPart.length; at++) answers[positions[at]!] = ofPart[at];
      }),
    );
    return answers;
  }

  const itself = (key: string) => key;
  return {
    get: (key) => nodes[indexOf(key)]!.get(key),
    set: (key, value) => nodes[indexOf(key)]!.set(key, value),
    mget: (keys) => gather(keys, itself, (node, part) => node.mget(part)),
    mgetBuffer: (keys) => gather(keys, itself, (node, part) => node.mgetBuffer(part)),
    async mset(pairs) {
      const parts = nodes.map((): string[] => []);
      for (let at = 0; at < pairs.length; at += 2) {
        parts[indexOf(pairs[at]!)]!.push(pairs[at]!, pairs[at + 1]!);
      }
      await Promise.all(parts.map((part, index) => part.length > 0 && nodes[index]!.mset(part)));
    },
    pipeline: (commands) =>
      gather(
        commands,
        ([, key]) => key!,
        (node, part) => node.pipeline(part),
      ),
  };
}
// biome-ignore-end lint/style/noNonNullAssertion: see above
