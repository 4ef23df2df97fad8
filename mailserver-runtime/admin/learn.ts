/** Teaches the classifier what a command names: by the running server, which writes the models; by their files where none runs. */
import { isAbsolute } from "node:path";
import { openClassifier } from "../filter/bayes/classifier.ts";
import { messagesAt } from "../learning/sources.ts";
import { createTeacher, type Teacher } from "../learning/teacher.ts";
import type { MessageContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import type { MailStore } from "../store/mail-store.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";

export const learnOperations: Performers<"learn"> = {
  learn: {
    effect: "reads",
    async perform({ as, path, mailbox, account }, context) {
      if ((path === undefined) === (mailbox === undefined))
        throw new OperationError("invalid", "learn: name either a path or an account's mailbox");
      if (path !== undefined && !isAbsolute(path))
        throw new OperationError("invalid", `learn: ${path} is no absolute path on the mail host`);
      const { live, directories } = context;
      if (live?.learning !== undefined) {
        const messages =
          path !== undefined
            ? messagesAt(path)
            : messagesIn(live.learning.store, account ?? "", mailbox ?? "");
        return teachAll(live.learning.teacher, messages, as, account);
      }
      if (path === undefined)
        throw new OperationError(
          "not-running",
          `no server runs on ${directories.run}: name files instead of a mailbox`,
        );
      return offline(context, (teacher) => teachAll(teacher, messagesAt(path), as, account));
    },
  },
};

async function teachAll(
  teacher: Teacher,
  messages: AsyncIterable<MessageContent>,
  as: "spam" | "ham",
  account: string | undefined,
): Promise<{ learnt: number; known: number }> {
  let learnt = 0;
  let known = 0;
  try {
    for await (const message of messages)
      if (await teacher.teach(message, as, account)) learnt += 1;
      else known += 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new OperationError("not-found", `learn: ${(error as Error).message}`);
  }
  return { learnt, known };
}

async function* messagesIn(
  store: Pick<MailStore, "account">,
  address: string,
  name: string,
): AsyncIterable<MessageContent> {
  const account = await store.account(address);
  try {
    const mailbox = await account.open(name);
    try {
      await mailbox.refresh();
      for (const uid of mailbox.view().uids) {
        const content = await mailbox.read(uid);
        yield content;
        await content.dispose();
      }
    } finally {
      mailbox.release();
    }
  } finally {
    account.release();
  }
}

async function offline<T>({ directories }: AdminContext, use: (teacher: Teacher) => Promise<T>): Promise<T> {
  const classifier = openClassifier({ directory: `${directories.state}/classifier`, log: silentLog });
  const teacher = createTeacher({ directory: `${directories.state}/learning`, classifier, log: silentLog });
  try {
    return await use(teacher);
  } finally {
    await teacher.close();
    await classifier.close();
  }
}
