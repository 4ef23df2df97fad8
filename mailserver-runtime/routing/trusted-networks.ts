/**
 * Who may relay without a login because of where they connect from: nobody, unless PERMIT_DOCKER says otherwise (DESIGN D9).
 * What its values mean is docker-mailserver's; only IPv4, as there.
 */
import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";
import type { Settings } from "../settings/schema.ts";

type PermitDocker = Settings["submission"]["permitDocker"];
/** An address of this machine with its network, `172.18.0.5/16`; loopback is not among them. */
type OwnAddress = string;

/** The networks that a value stands for, in CIDR form. */
export function trustedNetworks(permit: PermitDocker, own: readonly OwnAddress[]): readonly string[] {
  const [first] = own;
  switch (permit) {
    case "none":
      return [];
    case "container":
      return first === undefined ? [] : [`${addressOf(first)}/32`];
    case "host":
      return first === undefined ? [] : [`${addressOf(first).split(".").slice(0, 2).join(".")}.0.0/16`];
    case "network":
      return ["172.16.0.0/12"];
    case "connected-networks":
      return own;
  }
}

/** A test for clients that the settings trust; the machine's addresses are looked at once. */
export function trustedClients(settings: () => Settings): (address: string) => boolean {
  let of: PermitDocker = "none";
  let list = new BlockList();
  return (address) => {
    const { permitDocker } = settings().submission;
    if (permitDocker === "none") return false;
    if (permitDocker !== of) {
      of = permitDocker;
      list = new BlockList();
      for (const network of trustedNetworks(permitDocker, ownAddresses())) {
        const [base = "", bits = "32"] = network.split("/");
        list.addSubnet(base, Number(bits), "ipv4");
      }
    }
    return !address.includes(":") && list.check(address, "ipv4");
  };
}

const addressOf = (own: OwnAddress): string => own.split("/")[0] ?? "";

function ownAddresses(): OwnAddress[] {
  return Object.values(networkInterfaces()).flatMap(
    (all) =>
      all?.flatMap(({ internal, family, cidr }) => (!internal && family === "IPv4" && cidr ? [cidr] : [])) ??
      [],
  );
}
