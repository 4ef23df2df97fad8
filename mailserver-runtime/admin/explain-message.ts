/** What the running server's filter says of a message file: it has the rules, the models and the lists. */
import { isAbsolute } from "node:path";
import { openStored } from "../store/maildir/stored-content.ts";
import { OperationError, type Performers } from "./context.ts";

export const explainMessageOperations: Performers<"message.explain"> = {
  "message.explain": {
    effect: "reads",
    async perform({ path, ...said }, { live, directories }) {
      if (live?.explainMessage === undefined)
        throw new OperationError(
          "not-running",
          `no server runs on ${directories.run}, so there is no filter to ask`,
        );
      if (!isAbsolute(path))
        throw new OperationError("invalid", `message.explain: ${path} is no absolute path on the mail host`);
      const content = await openStored(path, -1).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        throw new OperationError("not-found", `message.explain: there is no file ${path}`);
      });
      try {
        return { lines: [...(await live.explainMessage(content, said))] };
      } finally {
        await content.dispose();
      }
    },
  },
};
