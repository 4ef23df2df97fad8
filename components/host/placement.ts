/**
 * What the kind of a host says about a server there, before any host is asked: where it listens, which ports it may have
 * and which net it lives in. Pure; one row a kind.
 */
import type { HostArgs } from "../mail-stack-args.ts";

export interface Placement {
  /** Where the mail listeners bind. */
  readonly listenAddress: string;
  /** Added to every service's standard port. */
  readonly portBase: number;
  /** The lowest port the server may have, and who may have a lower one. */
  readonly lowestPort: number;
  /** Whether mail and look-ups stay on the machine when nothing else is declared: the host's own name server is all there is. */
  readonly closedNet: boolean;
}

/** This machine without root: loopback only, above what only root may bind, below what outgoing connections get. */
const local: Placement = {
  listenAddress: "127.0.0.1",
  portBase: 20_000,
  lowestPort: 1024,
  closedNet: true,
};

/** A container: every address inside, the standard ports published, the internet. */
const docker: Placement = { listenAddress: "::", portBase: 0, lowestPort: 1, closedNet: false };

/** A machine of the server's own is as open. */
const ssh = docker;

const placements: Readonly<Record<HostArgs["type"], Placement>> = { local, docker, ssh };

export const placementOf = (host: HostArgs): Placement => placements[host.type];
