/**
 * What a person reads when a value does not fit its schema: the place, what is wrong there, the known name nearest to an
 * unknown one. The value itself is never repeated: it may be a secret in the wrong place.
 */
import { z } from "zod";
import { nearestName } from "./nearest.ts";

/** A value that does not fit. `path` is `domains[1].dkim`, or "" for the whole. */
export interface Misfit {
  readonly path: string;
  readonly reason: string;
}

/** Zod's issues as sentences. */
export function misfits(error: z.ZodError, schema: z.ZodType, below: readonly PropertyKey[] = []): Misfit[] {
  return error.issues.flatMap((issue) => explain(issue, schema, below));
}

/** `domains[1].dkim`, as property paths are written. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    const key = String(step);
    if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

/** "unknown; did you mean ...?", or the names there are. */
export function unknownName(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  if (nearest) return `is not known here; did you mean ${JSON.stringify(nearest)}?`;
  return `is not known here; known are ${known.join(", ")}`;
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType, below: readonly PropertyKey[]): Misfit[] {
  const path = [...below, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = keysAt(schema, issue.path);
      return issue.keys.map((key) => ({ path: pathText([...path, key]), reason: unknownName(key, known) }));
    }
    case "invalid_type":
      return [
        {
          path: pathText(path),
          reason: issue.message.endsWith("received undefined")
            ? "is missing"
            : `must be ${article(issue.expected)}`,
        },
      ];
    case "invalid_value":
      return [
        {
          path: pathText(path),
          reason: `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`,
        },
      ];
    case "invalid_union": {
      if (issue.discriminator !== undefined && "options" in issue && Array.isArray(issue.options))
        return [
          {
            path: pathText([...path]),
            reason: `must be one of ${issue.options.map((value) => JSON.stringify(value)).join(", ")}`,
          },
        ];
      const branch = nearestBranch(issue.errors);
      return branch.flatMap((inner) => explain(inner, schema, path)).slice(0, 3);
    }
    case "custom":
      return [{ path: pathText(path), reason: issue.message }];
    default:
      return [{ path: pathText(path), reason: `is not right: ${lowerFirst(issue.message)}` }];
  }
}

/** Of the branches of a union the one that got furthest: what the person most likely meant. */
function nearestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === "invalid_type" ? 0 : 0.5)));
  return [...branches].sort((left, right) => depth(right) - depth(left))[0] ?? [];
}

/** The keys an object schema knows at a path; none where it cannot be told. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion || inner instanceof z.ZodDiscriminatedUnion)
    return [...new Set(inner.options.flatMap((option) => keysAt(option as z.ZodType, path)))];
  const [step, ...rest] = path;
  if (inner instanceof z.ZodObject) {
    if (step === undefined) return Object.keys(inner.shape);
    const child = inner.shape[String(step)];
    return child ? keysAt(child as z.ZodType, rest) : [];
  }
  if (step === undefined) return [];
  if (inner instanceof z.ZodArray) return keysAt(inner.element as z.ZodType, rest);
  if (inner instanceof z.ZodRecord) return keysAt(inner.valueType as z.ZodType, rest);
  return [];
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
  )
    return unwrap(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? unwrap(schema.in as z.ZodType) : schema;
}

const article = (expected: string) =>
  expected === "array"
    ? "a list"
    : expected === "object" || expected === "record"
      ? "a map"
      : expected === "int"
        ? "a whole number"
        : `a ${expected}`;

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
