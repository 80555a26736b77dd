/** What is written for people: tables, numbers, the machine. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";

/** A page that is shown while it is made, and may be kept. */
export class Page {
  readonly #parts: string[] = [];

  say(text: string): void {
    console.log(`${text}\n`);
    this.#parts.push(text);
  }

  /** Says it under a heading, if there is anything to say. */
  section(title: string, text: string): void {
    if (text !== "") this.say(`## ${title}\n\n${text}`);
  }

  /** Keeps it beside this file. */
  write(file: string): void {
    writeFileSync(new URL(file, import.meta.url), `${this.#parts.join("\n\n")}\n`);
  }
}

/** Rows as a table that is Markdown and reads well as it stands; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  const isNumber = header.map((_, column) =>
    rows.every((row) => /^(?:[≤≥] )?[-+\d., ]*(?:×|ms|MB|%)?$/.test(row[column] ?? "")),
  );
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) =>
    isNumber[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

/** A number in three digits or so. */
export function show(number: number): string {
  if (number < 0.1) return number.toFixed(3);
  if (number < 10) return number.toFixed(2);
  if (number < 100) return number.toFixed(1);
  const step = 10 ** Math.max(0, Math.floor(Math.log10(number)) - 2);
  return (Math.round(number / step) * step).toLocaleString("en");
}

/** Where it was run. */
export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? "unknown CPU"}, Node ${process.version}, V8 ${process.versions.v8}`;
}
