/** The native encoder writes for each node what ioredis writes, command after command. */
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { Command } from "ioredis";
import { type NativePlacement, native } from "../src/native.ts";
import { bytes, check, text } from "./helpers/arbitraries.ts";

const nodes = ["a", "b", "c"];

const placement = (scheme: string, parameters: Record<string, string> = {}): NativePlacement =>
  new native.NativePlacement({
    scheme,
    parameters,
    nodes: nodes.map((name) => ({ name, named: true })),
  });

/** Where results go: as much memory as a caller has to give. */
class Output {
  readonly order: Uint32Array;
  readonly nodes = new Uint32Array(2 * nodes.length);
  readonly out: Uint8Array;

  constructor(positions: number, argumentCount: number, bytes: number) {
    this.order = new Uint32Array(positions);
    this.out = new Uint8Array(bytes + 16 * (argumentCount + 3) + 32 * (positions + nodes.length));
  }

  /** For each node the positions that it has, and its bytes. */
  get parts(): { positions: number[]; bytes: string }[] {
    let [position, at] = [0, 0];
    return nodes.map((_, node) => {
      const [count = 0, end = 0] = this.nodes.subarray(2 * node, 2 * node + 2);
      const positions = [...this.order.subarray(position, position + count)];
      const bytes = Buffer.from(this.out.subarray(at, end)).toString("latin1");
      [position, at] = [position + count, end];
      return { positions, bytes };
    });
  }
}

type Argument = string | Buffer;

/** A command as ioredis writes it. */
function written([name, ...rest]: readonly Argument[]): string {
  // A name of its own, as ioredis lets commands such as mset rearrange their arguments.
  const command = new Command("raw", [...rest]);
  command.name = String(name);
  return Buffer.from(command.toWritable({})).toString("latin1");
}

/** Arguments packed: all bytes, and where each ends, in UTF-16 for texts. */
function pack(all: readonly Argument[], utf16: boolean): [Buffer, Uint32Array] {
  let end = 0;
  const length = (one: Argument) => (utf16 ? one.length : Buffer.byteLength(one));
  const ends = Uint32Array.from(all, (one) => {
    end += length(one);
    return end;
  });
  return [Buffer.concat(all.map((one) => Buffer.from(one))), ends];
}

/** What each node should get: `write` makes its bytes of the keys' arguments. */
function expected(owners: readonly number[], write: (positions: number[]) => string) {
  return nodes.map((_, node) => {
    const positions = owners.flatMap((owner, position) => (owner === node ? [position] : []));
    return { positions, bytes: write(positions) };
  });
}

const ownerOf = (placement: NativePlacement, key: Argument): number =>
  typeof key === "string" ? placement.ownerOfText(key) : placement.ownerOfBytes(key);

/** Lists of commands or of keys, of texts only or of bytes only. */
const lists = (least: number, most: number): fc.Arbitrary<Argument[][]> => {
  const listsOf = (one: fc.Arbitrary<Argument>) =>
    fc.array(fc.array(one, { minLength: least, maxLength: most }), { maxLength: 80 });
  return fc.oneof(listsOf(text), listsOf(bytes));
};

function encodes(
  t: ExecutionContext,
  list: readonly (readonly Argument[])[],
  utf16: boolean,
  scheme: NativePlacement,
) {
  const isText = typeof list[0]?.[0] === "string";
  const commands = list.map((rest) => ["get", ...rest]);
  const all = commands.flat();
  const [bytes, ends] = pack(all, utf16 && isText);
  const lengths = Uint32Array.from(commands, (command) => command.length);
  const owners = commands.map(([, key = ""]) => ownerOf(scheme, key));
  const wanted = expected(owners, (positions) =>
    positions.map((position) => written(commands[position] ?? [])).join(""),
  );
  const output = new Output(commands.length, all.length, bytes.length);
  const done = scheme.encodeCommands(
    bytes,
    ends,
    utf16 && isText,
    isText,
    lengths,
    output.order,
    output.nodes,
    output.out,
  );
  t.true(done);
  t.deepEqual(output.parts, wanted);
  const again = new Output(commands.length, all.length, bytes.length);
  const byteEnds = pack(all, false)[1];
  native.encodeCommandsFor(
    Uint16Array.from(owners),
    nodes.length,
    bytes,
    byteEnds,
    lengths,
    again.order,
    again.nodes,
    again.out,
  );
  t.deepEqual(again.parts, wanted);
}

test("commands of one key each", (t) => {
  const schemes = [placement("slots"), placement("redis-shard", { hash: "md5" })];
  const property = fc.property(lists(1, 4), fc.boolean(), (list, utf16) => {
    for (const scheme of schemes) encodes(t, list, utf16, scheme);
  });
  check(property, 40);
});

for (const width of [1, 2]) {
  test(`one command for each node: ${width === 1 ? "keys" : "keys and values"}`, (t) => {
    const scheme = placement("slots");
    const property = fc.property(lists(width, width), fc.boolean(), (list, utf16) => {
      const isText = typeof list[0]?.[0] === "string";
      const [bytes, ends] = pack(list.flat(), utf16 && isText);
      const owners = list.map(([key = ""]) => ownerOf(scheme, key));
      const wanted = expected(owners, (positions) =>
        positions.length === 0
          ? ""
          : written(["many", ...positions.flatMap((position) => list[position] ?? [])]),
      );
      const output = new Output(list.length, ends.length, bytes.length);
      const { order, nodes: parts, out } = output;
      t.true(
        scheme.encodeKeys("many", width, bytes, ends, utf16 && isText, isText, order, parts, out),
      );
      t.deepEqual(output.parts, wanted);
      const again = new Output(list.length, ends.length, bytes.length);
      native.encodeKeysFor(
        Uint16Array.from(owners),
        nodes.length,
        "many",
        width,
        bytes,
        pack(list.flat(), false)[1],
        again.order,
        again.nodes,
        again.out,
      );
      t.deepEqual(again.parts, wanted);
    });
    check(property, 40);
  });
}

test("texts that end within a character are left to be packed otherwise", (t) => {
  const { order, nodes: parts, out } = new Output(2, 4, 100);
  const [bytes] = pack(["get\u{1F600}get\u{1F600}"], false);
  const ends = Uint32Array.of(3, 4, 8, 10);
  const encode = () =>
    placement("slots").encodeCommands(
      bytes,
      ends,
      true,
      true,
      Uint32Array.of(2, 2),
      order,
      parts,
      out,
    );
  t.false(encode());
  t.deepEqual([...out], new Array(out.length).fill(0));
  t.deepEqual([...order, ...parts], new Array(order.length + parts.length).fill(0));
});

test("what does not fit is refused, and nothing is written", (t) => {
  const scheme = placement("slots");
  const [bytes, ends] = pack(["get", "foo", "get", "bar"], false);
  const good = {
    bytes,
    ends,
    lengths: Uint32Array.of(2, 2),
    order: new Uint32Array(2),
    nodes: new Uint32Array(6),
    out: new Uint8Array(44),
  };
  type Given = typeof good;
  const encode = ({ bytes, ends, lengths, order, nodes, out }: Given) =>
    scheme.encodeCommands(bytes, ends, false, true, lengths, order, nodes, out);
  const bad: [Partial<Given>, string][] = [
    [{ out: new Uint8Array(43) }, "INTERNAL"],
    [{ order: new Uint32Array(1) }, "INTERNAL"],
    [{ nodes: new Uint32Array(5) }, "INTERNAL"],
    [{ lengths: Uint32Array.of(2, 3) }, "INTERNAL"],
    [{ lengths: Uint32Array.of(3, 1) }, "INTERNAL"],
    [{ ends: Uint32Array.of(3, 2, 9, 12) }, "BAD_OFFSETS"],
    [{ ends: Uint32Array.of(3, 6, 9, 13) }, "BAD_OFFSETS"],
  ];
  for (const [change, code] of bad) {
    const given = { ...good, ...change };
    t.throws(() => encode(given), { code }, JSON.stringify(change));
    t.true([given.out, given.order, given.nodes].every((array) => array.every((n) => n === 0)));
  }
  for (const name of Object.keys(good)) {
    for (const value of [undefined, null, 7, "text", {}, [1], new Float64Array(8)]) {
      t.throws(() => encode({ ...good, [name]: value as never }), undefined, name);
    }
  }
  t.true(encode(good));
  const foreign = [Uint16Array.of(0, 3), Uint16Array.of(0), Uint16Array.of(0, 65535)];
  for (const owners of foreign) {
    t.throws(
      () =>
        native.encodeCommandsFor(
          owners,
          3,
          bytes,
          ends,
          good.lengths,
          good.order,
          good.nodes,
          good.out,
        ),
      { code: "INTERNAL" },
    );
  }
  t.throws(
    () =>
      native.encodeKeysFor(
        Uint16Array.of(0, 0),
        2 ** 32 - 1,
        "mget",
        2,
        bytes,
        ends,
        good.order,
        good.nodes,
        good.out,
      ),
    { code: "INTERNAL" },
  );
});
