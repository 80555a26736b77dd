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
  throw bad(`a node is an object, a URL, host:port or a port, not ${describe(input)}`);
}

const SCHEMES = ["redis:", "rediss:", "unix:"];
/** Those that are text to ioredis too. */
const PARAMETERS = ["name", "weight", "db", "family", "connectionName", "username", "password"];

function readString(text: string): ReadNode {
  if (/^\d+$/.test(text)) return readObject({ port: Number(text) });
  // "host:port" and "/run/redis.sock" are URLs that lack their scheme.
  const whole = text.includes("://") ? text : `redis://${text}`;
  // Said here, for the error of URL itself has the text in it.
  if (!URL.canParse(whole)) throw bad("a node is given by what is no valid URL");
  checkUrl(new URL(whole));
  const { node, url } = readNodeUrl(whole);
  return { ...nameNode(node), redisOptions: {}, url };
}

/** What ioredis would take for something else, or not at all. Nothing here may show a password. */
function checkUrl(url: URL): void {
  const { protocol, hostname, pathname, port, searchParams } = url;
  if (!SCHEMES.includes(protocol)) {
    throw bad(`the URL of a node begins with redis://, rediss:// or unix://, not ${protocol}//`);
  }
  if (protocol === "unix:" && hostname !== "") {
    throw bad("the URL of a socket has three slashes, as in unix:///run/redis.sock");
  }
  if (hostname === "" && /^\/?$/.test(pathname)) {
    throw bad("the URL of a node has a host, or the path of a socket");
  }
  if (port !== "") readPort(port);
  const db = hostname === "" ? "" : pathname.slice(1);
  readDb(db === "" ? (searchParams.get("db") ?? 0) : db);
  for (const parameter of searchParams.keys()) {
    if (PARAMETERS.includes(parameter)) continue;
    if (parameter === "keyPrefix") throw bad(PREFIX_OF_ALL);
    throw bad(
      `the URL of a node has no parameter "${parameter}" (there are ${PARAMETERS.join(", ")}); ` +
        "options of ioredis go into redisOptions, as what a URL says is text",
    );
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw bad("the user or password in the URL of a node has a % that begins no escape; write %25");
  }
}

const PREFIX_OF_ALL = "keyPrefix is an option of the client, and the same for all nodes";

const NAMES = [
  "name",
  "weight",
  "host",
  "port",
  "path",
  "username",
  "password",
  "db",
  "tls",
  "sentinels",
  "sentinelName",
  "redisOptions",
];

function readObject(options: NodeOptions): ReadNode {
  for (const name of Object.keys(options)) {
    if (NAMES.includes(name) || name === "named") continue;
    throw bad(
      `there is no node option "${name}" (there are ${NAMES.join(", ")}); options of ioredis go ` +
        `into redisOptions: { ${name}: … }`,
    );
  }
  const { name: _, named: __, weight: ___, ...rest } = options;
  const { sentinelName, redisOptions = {}, sentinels, port, ...own } = rest;
  if (typeof redisOptions !== "object" || redisOptions === null) {
    throw bad("the redisOptions of a node are an object");
  }
  if (redisOptions.keyPrefix !== undefined) throw bad(PREFIX_OF_ALL);
  if (own.host === "" || own.path === "") throw bad("the host and path of a node are not empty");
  if (own.db !== undefined) readDb(own.db);
  if ((sentinels === undefined) !== (sentinelName === undefined)) {
    throw bad("a node behind sentinels has both: sentinels, and the sentinelName they know it by");
  }
  if (sentinels !== undefined && (!Array.isArray(sentinels) || sentinels.length === 0)) {
    throw bad("sentinels are an array of at least one { host, port }");
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
  throw bad(`${describe(port)} is no port`);
}

function readDb(db: number | string): void {
  if (/^\d+$/.test(String(db))) return;
  throw bad(`${describe(db)} is no db: that is a whole number from 0`);
}

function bad(message: string): ShardisError {
  return new ShardisError("BAD_OPTION", message);
}
