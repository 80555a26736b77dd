/** The ioredis client of a node, which users may have to send commands of their own. */
import { Redis, type RedisOptions } from "ioredis";

/** A client that tells before it sends anything, so that what was to be sent before it can be. */
export class NodeClient<
  Mapping extends NonNullable<RedisOptions["replyMapping"]> = "legacy",
> extends Redis<Mapping> {
  beforeSending: (() => void) | undefined;

  override sendCommand(...args: Parameters<Redis["sendCommand"]>): unknown {
    this.beforeSending?.();
    return super.sendCommand(...args);
  }
}
