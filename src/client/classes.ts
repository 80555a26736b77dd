/** The classes of one client, which have its scripts as methods. */
import { runNow } from "./methods.ts";
import { ShardedPipeline } from "./pipeline.ts";
import { attachScript, runBySha, runBySource, type Script } from "./scripts.ts";
import { ShardedTransaction } from "./transaction.ts";
import { type Classes, CommandView, EachView, NodeView } from "./views.ts";

/**
 * Classes that no other client has: a script that is defined on them is a method
 * of all that is made of them, before or after.
 */
export class OwnClasses implements Classes {
  readonly Pipeline: typeof ShardedPipeline = class extends ShardedPipeline {};
  readonly Transaction: typeof ShardedTransaction = class extends ShardedTransaction {};
  readonly CommandView: typeof CommandView = class extends CommandView {};
  readonly NodeView: typeof NodeView = class extends NodeView {};
  readonly EachView: typeof EachView = class extends EachView {};

  define(script: Script): void {
    attachScript(this.CommandView.prototype, script, runBySha);
    attachScript(this.NodeView.prototype, script, runBySha);
    attachScript(this.EachView.prototype, script, runBySource(runNow));
    attachScript(this.Pipeline.prototype, script, runBySource(ShardedPipeline.enqueue));
    attachScript(this.Transaction.prototype, script, runBySource(ShardedPipeline.enqueue));
  }
}
