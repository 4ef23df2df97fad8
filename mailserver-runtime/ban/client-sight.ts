import { normalAddress } from "../net/address.ts";
import { clientNetwork, networkText } from "./network.ts";
import type { Spared } from "./never-banned.ts";

/**
 * Whether there is more than one client. Behind an address translation all of them look like one, and a ban of
 * that one would shut everybody out; a lone attacker that is spared until somebody else comes harms nobody.
 */
export class ClientSight {
  #first: string | undefined;
  #several = false;

  note(address: string, spared: Spared): void {
    if (this.#several) return;
    const network = clientNetwork(address);
    if (network === undefined || spared(normalAddress(address)) !== undefined) return;
    const name = networkText(network);
    this.#first ??= name;
    this.#several = this.#first !== name;
  }
  aloneIs(name: string): string | undefined {
    if (this.#several) return undefined;
    return `no other client than ${name} has been seen; if all of them come by one address, the server must be told theirs (PROXY protocol, or no address translation)`;
  }
}
