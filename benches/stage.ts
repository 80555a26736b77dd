/** Servers, and clients each in a process of its own, for as long as they do the work of one row. */
import { Redis } from "ioredis";
import { startNodes } from "shardis/testing";
import type { ClientName } from "./clients.ts";
import { Player } from "./player.ts";
import type { Row } from "./rows.ts";

export const SERVERS = 4;

/** Clients that could not take part, and why. */
export type Absent = ReadonlyMap<ClientName, string>;

/**
 * @param flags of Node, for the clients
 * @param play gets what tells the processor time of all servers so far, in microseconds
 * @throws Error if shardis cannot take part; others may not
 */
export async function onStage<Outcome>(
  {
    row,
    clients = row.clients ?? row.work.clients,
    flags = [],
  }: {
    readonly row: Row;
    readonly clients?: readonly ClientName[];
    readonly flags?: readonly string[];
  },
  play: (
    players: readonly Player[],
    absent: Absent,
    serverTime: () => Promise<number>,
  ) => Promise<Outcome>,
): Promise<Outcome> {
  const servers = await startNodes(SERVERS);
  const addresses = servers.nodes.map(({ name, host, port }) => ({ name, host, port }));
  const players: Player[] = [];
  const absent = new Map<ClientName, string>();
  const connections = addresses.map(({ host, port }) => new Redis(port, host));
  const serverTime = async () => {
    const times = await Promise.all(connections.map(processorTime));
    return times.reduce((sum, time) => sum + time, 0);
  };
  try {
    for (const client of clients) {
      try {
        players.push(await Player.start({ client, title: row.title, addresses }, flags));
      } catch (error) {
        if (client === "shardis") throw error;
        const reason = error instanceof Error ? error.message : String(error);
        // What cannot be found concerns everybody, where it was looked for does not.
        absent.set(client, reason.replace(/ imported from .*/s, ""));
      }
    }
    return await play(players, absent, serverTime);
  } finally {
    for (const connection of connections) connection.disconnect();
    await Promise.all(players.map((player) => player.stop()));
    await servers.stop();
  }
}

/** The processor time that a server has taken so far, in microseconds. */
async function processorTime(connection: Redis): Promise<number> {
  const info = await connection.info("cpu");
  const seconds = [...info.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)].map(([, text]) =>
    Number(text),
  );
  return 1e6 * seconds.reduce((sum, time) => sum + time, 0);
}
