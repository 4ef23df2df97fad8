/**
 * Where a stack's server runs, and what follows for its state. Everything here is pure.
 */
import { isAbsolute, relative } from "node:path";
import { EngineError } from "../engine/errors.ts";

/** The kind of host a stack declares: `local`, `docker`, `ssh`. */
export function targetOf(mail: string | undefined): string {
  if (mail === undefined) return "local";
  const host: unknown = (JSON.parse(mail) as { host?: unknown }).host;
  if (typeof host === "string") return host;
  const type = (host as { type?: unknown } | undefined)?.type;
  return typeof type === "string" ? type : "local";
}

/**
 * In CI a checkout is thrown away, and a state kept inside it with it. Throws `config` for any target but the local
 * one. `backend` is the directory of a `file://` backend.
 */
export function assertStateSurvives(options: {
  target: string;
  stack: string;
  backend: string;
  checkout: string;
  inCI: boolean;
}): void {
  const { target, stack, backend, checkout, inCI } = options;
  const path = relative(checkout, backend);
  const inside = path === "" || (!path.startsWith("..") && !isAbsolute(path));
  if (!inCI || target === "local" || !inside) return;
  throw new EngineError(
    "config",
    `stack '${stack}' runs on the target '${target}', and its state would lie in the checkout (${backend}), which CI throws away. ` +
      "Set PULUMI_BACKEND_URL to a backend that stays.",
  );
}
