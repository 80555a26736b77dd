/** The forms in which a user gives a node, made one. */
import type { RedisOptions } from "ioredis";
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";
import { type Nameable, type NamedNode, nameNode, readNodeUrl } from "../placement/node-name.ts";

/**
 * A node as an object: where it is, and what ioredis options it has of its own.
 *
 * @example
 * { name: "a", host: "10.0.0.1", port: 6379, password: "secret", weight: 2 }
 */
export interface NodeOptions extends Nameable {
  /** The label of the node, for good; derived from the address if left out. */
  readonly name?: string;
  /** Its share of keys relative to the others, for schemes with weights. */
  readonly weight?: number;
  readonly host?: string;
  readonly port?: number | string;
  /** The path of a unix socket, instead of host and port. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: RedisOptions["tls"];
  /** Sentinels that know the node's primary, instead of an address. */
  readonly sentinels?: readonly { readonly host: string; readonly port: number }[];
  /** The name under which the sentinels know it; the node's name too, if it has none. */
  readonly sentinelName?: string;
  /** ioredis options of this node, before those of all nodes. */
  readonly redisOptions?: RedisOptions;
}

/**
 * A node: an object; a URL such as `redis://host:6379/0?name=a&weight=2`,
 * `rediss://…` or `redis:///run/redis.sock`; `host:port`; the path of a unix
 * socket; or a port on localhost.
 */
export type NodeInput = string | number | NodeOptions;

/** A node whose form has been read. */
export interface ReadNode extends NamedNode {
  /** The options with which ioredis reaches it. */
  readonly redisOptions: RedisOptions;
  /** A URL that ioredis reads, where the node was given by one. */
  readonly url: string | undefined;
}

/**
 * Reads a node in any of its forms.
 *
 * @throws ShardisError `BAD_OPTION`
 */
export function readNode(input: NodeInput): ReadNode {
  if (typeof input === "number") return readObject({ port: input });
  if (typeof input === "string") return readString(input);
  if (typeof input === "object" && input !== null && !Array.isArray(input)) {
    return readObject(input);
  }
  throw new ShardisError(
    "BAD_OPTION",
    `a node is an object, a URL, host:port or a port, not ${describe(input)}`,
  );
}

function readString(text: string): ReadNode {
  if (/^\d+$/.test(text)) return readObject({ port: Number(text) });
  // "host:port" and "/run/redis.sock" are URLs that lack their scheme.
  const { node, url } = readNodeUrl(text.includes("://") ? text : `redis://${text}`);
  return { ...nameNode(node), redisOptions: {}, url };
}

/** Names that would mean something else to ioredis than to us, or nothing. */
const NOT_OURS = ["replicas", "role", "sentinelRole"];

function readObject(options: NodeOptions): ReadNode {
  const { name: _, weight: __, sentinelName, redisOptions, sentinels, port, ...own } = options;
  for (const key of NOT_OURS) {
    if (key in own) {
      throw new ShardisError("BAD_OPTION", `this version of shardis has no node option "${key}"`);
    }
  }
  if ((sentinels === undefined) !== (sentinelName === undefined)) {
    throw new ShardisError(
      "BAD_OPTION",
      "a node behind sentinels has both: sentinels, and the sentinelName they know it by",
    );
  }
  return {
    ...nameNode(options),
    url: undefined,
    redisOptions: {
      ...redisOptions,
      ...own,
      ...(port === undefined ? {} : { port: readPort(port) }),
      ...(sentinels === undefined ? {} : { sentinels: [...sentinels], name: sentinelName }),
    },
  };
}

function readPort(port: number | string): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65536) return number;
  throw new ShardisError("BAD_OPTION", `${describe(port)} is no port`);
}
