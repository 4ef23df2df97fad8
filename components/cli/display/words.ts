/** The words and marks of a display: steps, changed properties, values and summaries. Everything here is pure. */
import type { PropertyChange } from "../../engine/diff.ts";
import type { StepOp, StepView } from "../../engine/events.ts";
import type { OperationResult } from "../../engine/operations.ts";
import { UNKNOWN } from "../../engine/provider.ts";
import { containsSecret, isSecret } from "../../engine/wire.ts";
import type { OperationKind } from "./display.ts";

/** How a kind of step is named: its mark, and what it is called before, while and after it happens. */
const STEP_WORDS: Record<
  StepOp,
  { mark: string; planned: string; running: string; done: string; counted: string }
> = {
  same: { mark: " ", planned: "unchanged", running: "comparing", done: "unchanged", counted: "unchanged" },
  create: { mark: "+", planned: "create", running: "creating", done: "created", counted: "created" },
  update: { mark: "~", planned: "update", running: "updating", done: "updated", counted: "updated" },
  replace: { mark: "±", planned: "replace", running: "replacing", done: "replaced", counted: "replaced" },
  delete: { mark: "-", planned: "delete", running: "deleting", done: "deleted", counted: "deleted" },
  "delete-replaced": {
    mark: "-",
    planned: "delete the replaced one",
    running: "deleting the replaced one",
    done: "deleted the replaced one",
    counted: "",
  },
  forget: {
    mark: "-",
    planned: "forget (it stays)",
    running: "forgetting",
    done: "forgotten (it stays)",
    counted: "forgotten",
  },
  read: { mark: ">", planned: "read", running: "reading", done: "read", counted: "read" },
  import: { mark: "=", planned: "import", running: "importing", done: "imported", counted: "imported" },
  refresh: { mark: "~", planned: "read", running: "reading", done: "read", counted: "" },
};

/** A refresh finds out what others did. */
const FOUND_WORDS: Partial<
  Record<StepOp, { mark: string; planned: string; running: string; done: string; counted: string }>
> = {
  update: { mark: "~", planned: "", running: "reading", done: "changed outside", counted: "changed outside" },
  delete: { mark: "-", planned: "", running: "reading", done: "gone", counted: "gone" },
};

/** The words for a step of an operation. */
export const wordsFor = (kind: OperationKind, op: StepOp) =>
  (kind === "refresh" ? FOUND_WORDS[op] : undefined) ?? STEP_WORDS[op];

/** Kinds of operations that change nothing. */
export const isPreview = (kind: OperationKind): boolean => kind === "preview" || kind === "destroy-preview";

/** `Mailbox` for `mailkeep:index:Mailbox`. */
export const shortType = (type: string): string =>
  type.startsWith("pulumi:providers:")
    ? `Provider ${type.slice("pulumi:providers:".length)}`
    : (type.split(":").at(-1) ?? type);

/** "0.3 s", "12 s", "2 min 5 s" */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

const LONGEST_VALUE = 80;

/** A value on one line; secrets and what is not known yet as marks. */
export function showValue(value: unknown): string {
  return value === undefined ? "nothing" : showMarked(marked(value));
}

const MARKS = ["[secret]", "[not known yet]"];

function showMarked(value: unknown): string {
  if (typeof value === "string" && MARKS.includes(value)) return value;
  const text = JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}

/** The value with marks in the place of secrets and unknowns. */
export function marked(value: unknown): unknown {
  if (isSecret(value)) return "[secret]";
  if (value === UNKNOWN) return "[not known yet]";
  if (Array.isArray(value)) return value.map(marked);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, marked(item)]));
}

const CHANGE_MARKS = { add: "+", delete: "-", update: "~" } as const;

/** Both sides of a change, for showing: of a property that is secret on either side nothing is shown. */
export function sidesOf({ before, after }: PropertyChange): { before?: unknown; after?: unknown } {
  const hidden = containsSecret(before) !== containsSecret(after) || isSecret(before) || isSecret(after);
  const show = (value: unknown) => (hidden ? "[secret]" : marked(value));
  return {
    ...(before !== undefined && { before: show(before) }),
    ...(after !== undefined && { after: show(after) }),
  };
}

/** `~ quota: "1G" → "2G"  (replaces)` */
export function showChange(change: PropertyChange): string {
  const { before, after } = sidesOf(change);
  const sides = [before, after].filter((side) => side !== undefined).map(showMarked);
  return `${CHANGE_MARKS[change.kind]} ${change.path}: ${sides.join(" → ")}${change.replaces ? "  (replaces)" : ""}`;
}

/** What a step changes: the properties compared, or for a new or old object all of its inputs. */
export function changesOf(step: StepView): PropertyChange[] {
  if (step.op === "create") return whole(step.next?.inputs, "add");
  if (step.op === "delete") return whole(step.old?.inputs, "delete");
  return step.changes;
}

function whole(inputs: Record<string, unknown> | undefined, kind: "add" | "delete"): PropertyChange[] {
  return Object.entries(inputs ?? {})
    .filter(([key]) => key !== "__internal")
    .map(([path, value]) => ({ path, kind, [kind === "add" ? "after" : "before"]: value, replaces: false }));
}

const ENDS: Record<OperationKind, { failed: string; nothing: string }> = {
  preview: { failed: "The preview failed", nothing: "Nothing to do" },
  "destroy-preview": { failed: "The preview failed", nothing: "Nothing to destroy" },
  up: { failed: "Not finished", nothing: "Nothing to do" },
  refresh: { failed: "Not everything could be read", nothing: "The state fits what is there" },
  destroy: { failed: "Not finished", nothing: "Nothing to destroy" },
};

/** "3 to create, 1 to update, 12 unchanged (0.8 s)" */
export function summary(kind: OperationKind, result: OperationResult): string {
  const counts = (Object.keys(STEP_WORDS) as StepOp[]).flatMap((op) => {
    const words = wordsFor(kind, op);
    const count = result.counts[op] ?? 0;
    if (count === 0 || words.counted === "") return [];
    return [
      isPreview(kind) && op !== "same"
        ? `${count} to ${words.planned.split(" ")[0]}`
        : `${count} ${words.counted}`,
    ];
  });
  const what = counts.length > 0 ? counts.join(", ") : "no resources";
  const time = duration(result.seconds);
  if (!result.succeeded) return `${ENDS[kind].failed}: ${what} (${time})`;
  if (!result.changed) return `${ENDS[kind].nothing}: ${what} (${time})`;
  return `${what} (${time})`;
}
