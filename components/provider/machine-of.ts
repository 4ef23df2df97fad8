/** What the resources of a machine have in common: the machine itself, and a look at it that may fail. */
import { HostError } from "../host/host-error.ts";
import type { Machine } from "../host/machine.ts";
import type { Action, DriftAnswer } from "./resource-type.ts";

/** @throws {HostError} `unsupported` where nobody looks after the machine */
export function machineOf({ host }: Action): Machine {
  if (host.machine) return host.machine;
  throw new HostError(
    "unsupported",
    `${host.description} is not looked after by mailkeep: packages, units and the firewall are for a host of type ssh.`,
  );
}

/** The answer of a look; a warning where the machine cannot be asked. */
export async function asFarAsAsked(look: () => Promise<DriftAnswer>): Promise<DriftAnswer> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof HostError && error.code === "unreachable") return { warning: error.message };
    throw error;
  }
}
