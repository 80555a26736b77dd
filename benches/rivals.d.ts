/** Types of rivals that bring none. */

declare module "cluster-key-slot" {
  export default function slotOf(key: string): number;
}

declare module "hashring" {
  export default class HashRing {
    constructor(
      servers: readonly string[],
      algorithm?: string,
      options?: { readonly "max cache size"?: number },
    );
    get(key: string): string;
  }
}

// What follows is installed apart, by the benchmarks: see rivals/package.json.

declare module "@redis/client" {
  interface Multi {
    addCommand(args: readonly string[]): Multi;
    execAsPipeline(): Promise<unknown[]>;
  }
  interface RedisClient {
    connect(): Promise<unknown>;
    on(event: "error", listener: (error: Error) => void): unknown;
    withTypeMapping(mapping: Record<number, unknown>): RedisClient;
    get(key: string): Promise<unknown>;
    set(key: string, value: string): Promise<unknown>;
    mGet(keys: readonly string[]): Promise<unknown[]>;
    mSet(pairs: readonly string[]): Promise<unknown>;
    multi(): Multi;
  }
  export const RESP_TYPES: { readonly BLOB_STRING: number };
  export function createClient(options: {
    readonly socket: { readonly host: string; readonly port: number };
  }): RedisClient;
}

declare module "@valkey/valkey-glide" {
  export class Batch {
    constructor(isAtomic: boolean);
    customCommand(args: readonly string[]): Batch;
  }
  export enum Decoder {
    Bytes,
    String,
  }
  export class GlideClient {
    static createClient(options: {
      readonly addresses: readonly { readonly host: string; readonly port: number }[];
      readonly requestTimeout: number;
      readonly inflightRequestsLimit: number;
    }): Promise<GlideClient>;
    get(key: string): Promise<unknown>;
    set(key: string, value: string): Promise<unknown>;
    mget(keys: readonly string[], options?: { readonly decoder: Decoder }): Promise<unknown[]>;
    customCommand(args: readonly string[]): Promise<unknown>;
    exec(batch: Batch, raiseOnError: boolean): Promise<unknown[] | null>;
  }
}
