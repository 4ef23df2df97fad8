/**
 * Inputs of a resource: from wire form to values that its type's actions get, property by property, so that what is not known
 * yet passes and what is known is checked all the same.
 */
import type { z } from "zod";
import type { CheckFailure, PropertyMap } from "../engine/provider.ts";
import { containsSecret, containsUnknown, isSecret, plain, secret } from "../engine/wire.ts";
import type { AnyResourceType } from "./resource-type.ts";
import { misfits, unknownName } from "./validation.ts";

export interface CheckedInputs {
  /** In wire form, normalised, with defaults; secrets marked. */
  readonly inputs: PropertyMap;
  readonly failures: CheckFailure[];
}

/** Checks what a program asks for. `news` is in wire form. */
export function checkInputs(type: AnyResourceType, news: PropertyMap): CheckedInputs {
  const shape = type.inputs.shape;
  const failures: CheckFailure[] = [];
  const inputs: PropertyMap = {};
  for (const key of Object.keys(news)) {
    if (!Object.hasOwn(shape, key) && news[key] !== undefined)
      failures.push({ property: key, reason: unknownName(key, Object.keys(shape)) });
  }
  for (const [key, schema] of Object.entries(shape) as [string, z.ZodType][]) {
    const given = news[key] ?? undefined;
    if (containsUnknown(given)) {
      inputs[key] = given;
      continue;
    }
    const result = schema.safeParse(plain(given));
    if (!result.success) {
      for (const { path, reason } of misfits(result.error, schema, [key]))
        failures.push({ property: path, reason });
      continue;
    }
    const value = type.written?.includes(key) ? plain(given) : result.data;
    if (value === undefined) continue;
    inputs[key] = containsSecret(given) || type.secrets.includes(key) ? secret(value) : value;
  }
  if (failures.length === 0 && !containsUnknown(inputs))
    failures.push(...(type.check?.(plain(inputs) as Record<string, unknown>) ?? []));
  return { inputs, failures };
}

/** The inputs as an action gets them. */
export function actionInputs(inputs: PropertyMap): Record<string, unknown> {
  return plain(inputs) as Record<string, unknown>;
}

/** The outputs of an object: its inputs without the secret ones, what only the host can tell, and whose it is. */
export function outputsOf(
  type: AnyResourceType,
  inputs: PropertyMap,
  facts: PropertyMap,
  owner: string | undefined,
): PropertyMap {
  const visible = Object.entries(inputs).filter(
    ([key, value]) => !type.secrets.includes(key) && !isSecret(value),
  );
  return { ...Object.fromEntries(visible), ...facts, ...(owner !== undefined && { owner }) };
}
