/** Commands as they go on the wire, those of each node together. */
import { fromNative } from "../errors.ts";
import { checkKey } from "../keys.ts";
import { type NativePlacement, native } from "../native.ts";
import type { Placement } from "../placement/placement.ts";
import { type Packed, pack, packOneByOne } from "./pack.ts";

/** What can be written as it is. */
export type Wirable = string | Uint8Array;

/** A command with one key, its first argument. */
export interface KeyedCommand {
  readonly name: string;
  readonly args: readonly Wirable[];
}

/** What of a batch goes to one node. */
export interface NodeShare {
  /** The index of the node. */
  readonly node: number;
  readonly bytes: Buffer | string;
  /** The positions in the batch of its commands, or keys; they ascend. */
  readonly positions: Uint32Array;
}

/** Where natives write. */
interface Output {
  /** The positions, grouped by node. */
  readonly order: Uint32Array;
  /** For each node how many it has, and where its bytes end. */
  readonly nodes: Uint32Array;
  readonly bytes: Buffer;
}

/** Arguments to be written, of which some are keys. */
interface Job {
  readonly args: readonly Wirable[];
  /** The position of each key among them. */
  keyPositions(): Iterable<number>;
  /** How many keys there are. */
  readonly count: number;
  /** How many commands at most. */
  readonly commands: number;
  /** Places and writes; false if ends in UTF-16 would not do. */
  writeFused(native: NativePlacement, packed: Packed, isText: boolean, output: Output): boolean;
  /** Writes what has been placed, with ends in bytes. */
  writePlaced(owners: Uint16Array, packed: Packed, output: Output): void;
}

/** What the length before an argument takes at most, and what a command takes beside them. */
const ARGUMENT_ROOM = 16;
const COMMAND_ROOM = 32;

/**
 * Encodes commands of one key each.
 *
 * @throws ShardisError `BAD_KEY`
 */
export function encodeCommands(
  placement: Placement,
  commands: readonly KeyedCommand[],
): NodeShare[] {
  return encode(placement, jobOf(placement, commands));
}

/**
 * Encodes commands of one key each for nodes that are known; their keys go as they are.
 *
 * @param owners the index of the node of each
 * @throws ShardisError `BAD_KEY`
 */
export function encodeCommandsFor(
  placement: Placement,
  owners: Uint16Array,
  commands: readonly KeyedCommand[],
): NodeShare[] {
  const job = jobOf(placement, commands);
  for (const at of job.keyPositions()) checkKey(job.args[at]);
  return writeFor(placement, job, owners, job.args);
}

function jobOf(placement: Placement, commands: readonly KeyedCommand[]): Job {
  const nodeCount = placement.nodes.length;
  const lengths = new Uint32Array(commands.length);
  const args: Wirable[] = [];
  let count = 0;
  for (const { name, args: own } of commands) {
    lengths[count++] = own.length + 1;
    args.push(name);
    for (const arg of own) args.push(arg);
  }
  return {
    args,
    *keyPositions() {
      let next = 1;
      for (const length of lengths) {
        yield next;
        next += length;
      }
    },
    count,
    commands: count,
    writeFused: (native, { bytes, ends, isUtf16 }, isText, { order, nodes, bytes: out }) =>
      native.encodeCommands(bytes, ends, isUtf16, isText, lengths, order, nodes, out),
    writePlaced: (owners, { bytes, ends }, { order, nodes, bytes: out }) =>
      native.encodeCommandsFor(owners, nodeCount, bytes, ends, lengths, order, nodes, out),
  };
}

/** Encodes one command, for which the way into native code would cost more than it saves. */
export function encodeCommand({ name, args }: KeyedCommand): string | Buffer {
  let text = `*${args.length + 1}\r\n${header(name)}${name}\r\n`;
  const pieces: Uint8Array[] = [];
  for (const arg of args) {
    if (typeof arg === "string") {
      text += `${header(arg)}${arg}\r\n`;
    } else {
      pieces.push(Buffer.from(`${text}$${arg.length}\r\n`), arg);
      text = "\r\n";
    }
  }
  return pieces.length === 0 ? text : Buffer.concat([...pieces, Buffer.from(text)]);
}

function header(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n`;
}

/**
 * Encodes a command of many keys: one for each node that owns any.
 *
 * @param width how many arguments belong to a key: itself, or itself and a value
 * @throws ShardisError `BAD_KEY`
 */
export function encodeKeys(
  placement: Placement,
  name: string,
  width: 1 | 2,
  args: readonly Wirable[],
): NodeShare[] {
  const nodeCount = placement.nodes.length;
  return encode(placement, {
    args,
    *keyPositions() {
      for (let at = 0; at < args.length; at += width) yield at;
    },
    count: args.length / width,
    commands: nodeCount,
    writeFused: (native, { bytes, ends, isUtf16 }, isText, { order, nodes, bytes: out }) =>
      native.encodeKeys(name, width, bytes, ends, isUtf16, isText, order, nodes, out),
    writePlaced: (owners, { bytes, ends }, { order, nodes, bytes: out }) =>
      native.encodeKeysFor(owners, nodeCount, name, width, bytes, ends, order, nodes, out),
  });
}

function encode(placement: Placement, job: Job): NodeShare[] {
  try {
    return encodeFused(placement, job) ?? encodePlaced(placement, job);
  } catch (error) {
    throw fromNative(error);
  }
}

/** Everything in one native call; undefined where keys must be looked at one by one. */
function encodeFused(placement: Placement, job: Job): NodeShare[] | undefined {
  const { native } = placement;
  if (native === undefined) return undefined;
  const isText = kindOfKeys(native, job);
  if (isText === undefined) return undefined;
  const packed = pack(job.args);
  // A string that UTF-8 cannot carry was among them: as a key it is refused, elsewhere replaced.
  if (packed === undefined) return undefined;
  const output = makeOutput(placement, job, packed);
  if (!job.writeFused(native, packed, isText, output)) return undefined;
  return sharesOf(output);
}

/** Keys are placed by themselves, and rewritten where the scheme does so. */
function encodePlaced(placement: Placement, job: Job): NodeShare[] {
  const args = [...job.args];
  const keys: Wirable[] = [];
  for (const at of job.keyPositions()) {
    const key = checkKey(args[at]);
    keys.push(key);
    if (placement.rewritesKeys) args[at] = placement.storedKey(key);
  }
  return writeFor(placement, job, placement.plan(keys).owners, args);
}

function writeFor(
  placement: Placement,
  job: Job,
  owners: Uint16Array,
  args: readonly Wirable[],
): NodeShare[] {
  const joined = pack(args);
  const packed = joined === undefined || joined.isUtf16 ? packOneByOne(args) : joined;
  const output = makeOutput(placement, job, packed);
  job.writePlaced(owners, packed, output);
  return sharesOf(output);
}

/** Whether all keys are text; undefined if they differ, in a scheme that tells them apart. */
function kindOfKeys(native: NativePlacement, job: Job): boolean | undefined {
  if (native.textIsBytes) return true;
  const kinds = new Set<boolean>();
  for (const at of job.keyPositions()) kinds.add(typeof job.args[at] === "string");
  const [isText] = kinds;
  return kinds.size === 1 ? isText : undefined;
}

function makeOutput({ nodes }: Placement, job: Job, { bytes }: Packed): Output {
  const room = bytes.length + job.args.length * ARGUMENT_ROOM + job.commands * COMMAND_ROOM;
  return {
    order: new Uint32Array(job.count),
    nodes: new Uint32Array(2 * nodes.length),
    bytes: room > SLAB / 4 ? Buffer.allocUnsafeSlow(room) : roomInSlab(room),
  };
}

/**
 * How much memory is taken at once. What has been encoded is held until it has been
 * written, so it is not written over; but to take memory for each batch would cost
 * more than to fill it.
 */
const SLAB = 1 << 18;

let slab = Buffer.allocUnsafeSlow(SLAB);
let used = 0;

function roomInSlab(room: number): Buffer {
  if (used + room > SLAB) {
    slab = Buffer.allocUnsafeSlow(SLAB);
    used = 0;
  }
  return slab.subarray(used, used + room);
}

function sharesOf({ order, nodes, bytes }: Output): NodeShare[] {
  const shares: NodeShare[] = [];
  let [first, start] = [0, 0];
  for (let node = 0; node < nodes.length / 2; node++) {
    const count = nodes[2 * node] ?? 0;
    const end = nodes[2 * node + 1] ?? 0;
    if (count === 0) continue;
    shares.push({
      node,
      bytes: bytes.subarray(start, end),
      positions: order.subarray(first, first + count),
    });
    first += count;
    start = end;
  }
  if (bytes.buffer === slab.buffer) used += start;
  return shares;
}
