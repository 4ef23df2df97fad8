/** What one asks of the quarantine (quarantine/): its files answer where no server runs, what needs delivery does not. */

import { silentLog } from "../net/log.ts";
import { type QuarantineOperator, quarantineOperator } from "../quarantine/operator.ts";
import { openQuarantine } from "../quarantine/quarantine.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";

export const quarantineOperations: Performers<
  "quarantine.list" | "quarantine.show" | "quarantine.release" | "quarantine.learn" | "quarantine.delete"
> = {
  "quarantine.list": {
    effect: "reads",
    perform: async (_request, context) => ({ entries: [...(await files(context).list())] }),
  },
  "quarantine.show": {
    effect: "reads",
    async perform({ id }, context) {
      const found = await files(context).show(id);
      return found === undefined
        ? { headers: "" }
        : { entry: found.entry, headers: found.headers.toString("utf8") };
    },
  },
  "quarantine.release": {
    effect: "reads",
    async perform({ ids }, context) {
      const { count, refused } = await running(context, "release a message").release(ids);
      return { count, refused: [...refused] };
    },
  },
  "quarantine.learn": {
    effect: "reads",
    perform: async ({ ids }, context) => ({ count: await running(context, "learn a message").learn(ids) }),
  },
  "quarantine.delete": {
    effect: "reads",
    perform: async ({ ids }, context) => ({ count: await files(context).remove(ids) }),
  },
};

function running({ live, directories }: AdminContext, what: string): QuarantineOperator {
  if (live?.quarantine !== undefined) return live.quarantine;
  throw new OperationError(
    "not-running",
    `no server runs on ${directories.run}, so there is none to ${what}`,
  );
}

/** Of the running server, or made of the files, which can be read and deleted without one. */
function files({ live, directories }: AdminContext): Pick<QuarantineOperator, "list" | "show" | "remove"> {
  if (live?.quarantine !== undefined) return live.quarantine;
  const nothing = async () => undefined;
  return quarantineOperator({
    quarantine: openQuarantine({
      directory: `${directories.state}/quarantine`,
      limits: () => ({ days: 0, maxBytes: 0, maxMessages: 0 }),
      log: silentLog,
    }),
    toAccount: nothing,
    forward: nothing,
    forwardSender: (from) => from,
    learn: nothing,
  });
}
