/**
 * The name of a node: its label for good, whatever its address. Where none is
 * given, it is derived from the address.
 */
import { ShardisError } from "../errors.ts";

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
    throw new ShardisError("BAD_OPTION", `the weight of a node is a number, not ${weight}`);
  }
  const given = name ?? sentinelName;
  if (given !== undefined) {
    if (typeof given !== "string" || given === "") {
      throw new ShardisError("BAD_OPTION", "the name of a node is a string that is not empty");
    }
    return { name: given, named: true, weight };
  }
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return { name: path ?? address, named: false, weight };
}

/** What a URL says of a node's name, and the rest of it as ioredis reads it. */
export function readNodeUrl(text: string): { node: Nameable; url: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    // Not the text itself: it may carry a password.
    throw new ShardisError("BAD_OPTION", "a node is given by what is no valid URL", { cause });
  }
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
