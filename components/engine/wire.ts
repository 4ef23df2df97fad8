/**
 * Property values as they travel between program, engine and provider: JSON, with two marks. A secret is
 * an object whose signature key says so (sdk/go/common/resource/sig), an unknown value is a fixed string.
 * Everything here is pure.
 */
import { type PropertyMap, UNKNOWN } from "./provider.ts";

/** The key that marks an object as something other than a plain object. */
export const SIGNATURE = "4dabf18193072939515e22adb298388d";
/** The signature of a secret. */
export const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** A secret in wire form. */
export interface SecretValue {
  [SIGNATURE]: typeof SECRET;
  value: unknown;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether the value itself is a secret; see {@link containsSecret} for the whole tree. */
export const isSecret = (value: unknown): value is SecretValue =>
  isObject(value) && value[SIGNATURE] === SECRET;

/** Marks a value as secret; a secret stays as it is. */
export const secret = (value: unknown): SecretValue =>
  isSecret(value) ? value : { [SIGNATURE]: SECRET, value };

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function mapChildren(value: unknown, change: (child: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, change(child)]));
}

/** The value with every secret mark taken off. What it returns must not be shown or stored. */
export function plain(value: unknown): unknown {
  return isSecret(value) ? plain(value.value) : mapChildren(value, plain);
}

/** The same for a whole property map. */
export const plainMap = (map: PropertyMap): PropertyMap => plain(map) as PropertyMap;

/** Whether a secret stands anywhere in the value. */
export const containsSecret = (value: unknown): boolean =>
  isSecret(value) || children(value).some(containsSecret);

/** Whether an unknown stands anywhere in the value, also inside a secret. */
export const containsUnknown = (value: unknown): boolean =>
  value === UNKNOWN || children(value).some(containsUnknown);

/** Deep equality of wire values; the order of an object's keys does not count. */
export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) || Array.isArray(right)) {
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => equal(item, right[index]))
    );
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]))
  );
}

/** The value with every secret replaced by `mark`: what a person, a log or a machine reader may see. */
export function redact(value: unknown, mark = "[secret]"): unknown {
  return isSecret(value) ? mark : mapChildren(value, (child) => redact(child, mark));
}

/** Replaces each secret by what `change` makes of it, outermost first, nothing inside it. */
export function mapSecrets(value: unknown, change: (secret: SecretValue) => unknown): unknown {
  return isSecret(value) ? change(value) : mapChildren(value, (child) => mapSecrets(child, change));
}
