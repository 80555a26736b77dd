/** Commands whose keys have been placed. */
import type { Argument } from "./arguments.ts";

/** A key of a command. */
export interface PlacedKey {
  /** Its position among the arguments. */
  readonly position: number;
  /** The index of the node where it lies. */
  readonly owner: number;
  /** As it goes on the wire. */
  readonly key: string | Buffer;
}

/** A command, and where its keys lie. */
export interface PlacedCommand {
  readonly command: string;
  /** With keys as they go on the wire. */
  readonly args: readonly Argument[];
  readonly keys: readonly PlacedKey[];
  /** The keys as the user gave them. */
  readonly given: readonly unknown[];
}

/** The part of a command that goes to one node. */
export interface Part {
  /** The index of the node. */
  readonly node: number;
  /** With keys as they go on the wire. */
  readonly args: Argument[];
  /** The keys as the user gave them. */
  readonly keys: readonly unknown[];
  /** Of each key of the part, its position among the keys of the command. */
  readonly positions?: Uint32Array;
  /** The part as it goes on the wire, where that has been made already; not once it has been sent. */
  bytes?: Buffer | string | undefined;
}
