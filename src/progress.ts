/** What long work tells while it runs. `report/` renders it: live on a terminal, plain lines in CI, nothing in tests. */
export interface Progress {
  /** One line for people: "service: saved as fp-12ab…". */
  note(text: string): void;
  /** Bytes that move; `total` in bytes, undefined when not known. `end` is called on failure too. */
  transfer(label: string, total?: number): { add(bytes: number): void; end(): void };
  warn(text: string): void;
}

export const silent: Progress = {
  note() {},
  warn() {},
  transfer: () => ({ add() {}, end() {} }),
};
