/** What a driver is asked and answers; `drivers/protocol.py` has the same in words. */

export interface DriverNode {
  name: string;
  host: string;
  port: number;
  weight: number;
}

/** A string is a text key, a Buffer a key of bytes: to some clients they are not the same. */
export type Key = string | Buffer;

export interface Item {
  key: Key;
  value: Buffer;
}

export type Action = "version" | "write" | "read";

export interface Request {
  nodes: readonly DriverNode[];
  config: Readonly<Record<string, unknown>>;
  action: Action;
  items: readonly Item[];
}

export interface Answer {
  version: string;
  /** What `read` found, one for each item; `null` is a miss. */
  values: (Buffer | null)[];
  refused: { index: number; error: string }[];
}

export type Driver = (request: Request) => Promise<Answer>;
