/**
 * The name of a node: its label for good, whatever its address. Where none is
 * given, it is derived from the address.
 */
import { ShardisError } from "../errors.ts";
import { describe } from "../keys.ts";

/** What a node is called, and how much it takes. */
export interface NamedNode {
  readonly name: string;
  /** Whether the name was given, rather than derived from the address. */
  readonly named: boolean;
  readonly weight: number | undefined;
}

/** The parts of a node that have to do with its name. */
export interface Nameable {
  readonly name?: string;
  /** False if the name was derived from an address by someone else; true if left out. */
  readonly named?: boolean;
  readonly weight?: number;
  readonly host?: string;
  readonly port?: number | string;
  readonly path?: string;
  /** The name of a Sentinel group, which names a node as well as any. */
  readonly sentinelName?: string;
}

/**
 * The name and weight of a node.
 *
 * @throws ShardisError `BAD_OPTION`
 */
export function nameNode(node: Nameable): NamedNode {
  const { name, sentinelName, path, host = "localhost", port = 6379, weight } = node;
  if (weight !== undefined && typeof weight !== "number") {
    const reason = `the weight of a node is a number, not ${describe(weight)}`;
    throw new ShardisError("BAD_OPTION", reason);
  }
  const given = name ?? sentinelName;
  if (given !== undefined) {
    if (typeof given !== "string" || given === "") {
      throw new ShardisError("BAD_OPTION", "the name of a node is a string that is not empty");
    }
    return { name: given, named: node.named ?? true, weight };
  }
  if (typeof host !== "string" || (path !== undefined && typeof path !== "string")) {
    throw new ShardisError("BAD_OPTION", "the host and the path of a node are strings");
  }
  if (typeof port !== "string" && typeof port !== "number") {
    throw new ShardisError("BAD_OPTION", `the port of a node is a number, not ${describe(port)}`);
  }
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return { name: path ?? address, named: false, weight };
}

/** What a URL says of a node's name, and the rest of it as ioredis reads it. */
export function readNodeUrl(text: string): { node: Nameable; url: string } {
  // Neither the text nor the error of URL, which has it: it may carry a password.
  if (!URL.canParse(text)) {
    throw new ShardisError("BAD_OPTION", "a node is given by what is no valid URL");
  }
  const url = new URL(text);
  const name = take(url, "name");
  const weight = take(url, "weight");
  const given = {
    ...(name === undefined ? {} : { name }),
    ...(weight === undefined ? {} : { weight: Number(weight) }),
  };
  if (url.hostname === "") {
    const path = decodeURIComponent(url.pathname);
    // ioredis knows a unix socket by its path alone.
    return { node: { ...given, path }, url: `${path}${url.search}` };
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { node: { ...given, host, port: url.port || 6379 }, url: url.toString() };
}

function take(url: URL, parameter: string): string | undefined {
  const value = url.searchParams.get(parameter) ?? undefined;
  url.searchParams.delete(parameter);
  return value;
}
