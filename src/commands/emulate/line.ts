/**
 * Lines of commands that wait to take the same. If the first in a line finds nothing, the others
 * would find nothing either: so only the first asks, and what comes is asked for once, not by
 * everybody. The others wait for their turn, in the order in which they came.
 */
import type { PlacedCommand } from "../placed.ts";

/** How a turn comes. */
export type TurnNews = "found" | "ended";

/** A place in a line. */
export interface Turn {
  /** Whether it came at once, as nobody else was there. */
  readonly isFirst: boolean;
  /**
   * Resolves when the turn comes: `found`, as the one before has found something and there may be
   * more; `ended`, as that one's time was up, or it failed.
   */
  readonly comes: Promise<TurnNews>;
  /** Gives the turn to the next in the line, or the place up. */
  leave(news: TurnNews): void;
  /** Ends the line, as whatever is wrong is so for all. */
  breakUp(): void;
}

interface Place {
  readonly come: (news: TurnNews) => void;
}

export class Lines {
  /** By what is waited for. */
  readonly #lines = new Map<string, Place[]>();

  /** Takes the last place in the line for what is waited for. */
  join(waiting: PlacedCommand): Turn {
    const name = nameOf(waiting);
    const line = this.#lines.get(name) ?? [];
    this.#lines.set(name, line);
    let come: Place["come"] = () => {};
    const comes = new Promise<TurnNews>((resolve) => {
      come = resolve;
    });
    const place = { come };
    line.push(place);
    const end = () => {
      if (this.#lines.get(name) === line) this.#lines.delete(name);
    };
    return {
      isFirst: line[0] === place,
      comes,
      leave: (news) => {
        const index = line.indexOf(place);
        if (index !== -1) line.splice(index, 1);
        if (index === 0) line[0]?.come(news);
        if (line.length === 0) end();
      },
      breakUp: () => {
        end();
        for (const other of line.splice(0)) other.come("ended");
      },
    };
  }
}

/** The command as bytes, so that only those that are the same share a line. */
function nameOf({ command, args }: PlacedCommand): string {
  const words = [command, ...args].map((word) => {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    return `${bytes.length}:${bytes.toString("latin1")}`;
  });
  return words.join(" ");
}
