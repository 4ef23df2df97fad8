/** Bans, as the running server has them. */
import { type Bans, ending } from "../ban/bans.ts";
import { parseNetwork } from "../ban/network.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";

/** A longer answer helps nobody. */
const MOST_TOLD = 10_000;

export const banOperations: Performers<"ban.list" | "ban.add" | "ban.remove"> = {
  "ban.list": {
    effect: "reads",
    async perform(_request, context) {
      const { enabled, enforcement, jails, bans, withheld } = server(context).report();
      const banned = new Map<string, number>();
      for (const { jail } of bans) banned.set(jail, (banned.get(jail) ?? 0) + 1);
      return {
        enabled,
        enforcement,
        jails: jails.map((jail) => ({ ...jail, banned: banned.get(jail.name) ?? 0 })),
        bans: bans.slice(0, MOST_TOLD).map((ban) => ({
          ...ban,
          since: new Date(ban.since).toISOString(),
          until: ending(ban),
        })),
        withheld: [...withheld],
      };
    },
  },
  // The bans' own file holds them: no other writer, and nothing to read again afterwards.
  "ban.add": {
    effect: "reads",
    async perform({ network: text, seconds, reason }, context) {
      const bans = server(context);
      if (!bans.report().enabled) throw switchedOff();
      const network = networkOf(text);
      const ban = await bans.ban(network, seconds, reason ?? "banned by hand");
      return { network: ban?.network ?? text, added: ban !== undefined };
    },
  },
  "ban.remove": {
    effect: "reads",
    async perform({ network }, context) {
      const lifted = await server(context).lift(networkOf(network));
      return { removed: lifted.map((ban) => ({ network: ban.network, jail: ban.jail })) };
    },
  },
};

function server({ live, directories }: AdminContext): Bans {
  if (live?.bans !== undefined) return live.bans;
  throw new OperationError("not-running", `no server runs on ${directories.run}, so nobody is banned now`);
}

function switchedOff(): OperationError {
  return new OperationError(
    "conflict",
    "banning is switched off (setting ban.enabled, variable ENABLE_FAIL2BAN)",
  );
}

function networkOf(text: string) {
  const network = parseNetwork(text);
  if (network === undefined)
    throw new OperationError("invalid", `"${text}" is no IP address and no network like 192.0.2.0/24`);
  return network;
}
