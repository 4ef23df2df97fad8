/**
 * `admin`: request lines on stdin, answer lines on stdout (admin/contract.ts). Through the socket where a
 * server runs, so that an answer means "in force"; on the files themselves where none does. Which of both is asked
 * for each request anew: a server may start or end in between. Exit code 0 when every answer was ok, 1 otherwise.
 */
import { createInterface } from "node:readline";
import { type AdminClient, connectAdmin } from "../admin/client.ts";
import { MAX_REQUEST_BYTES } from "../admin/limits.ts";
import type { CommandContext } from "./command.ts";

export async function adminCommand(context: CommandContext): Promise<number> {
  let client: AdminClient | undefined;
  let onFiles: ((line: string) => Promise<string>) | undefined;
  async function ask(line: string): Promise<string> {
    client ??= await connectAdmin(context.directories.run);
    if (client !== undefined) {
      const answer = await client.ask(line).catch(() => undefined);
      if (answer !== undefined) return answer;
      // The server has ended. Operations are idempotent: what it may have done is done again.
      client = await connectAdmin(context.directories.run);
      if (client !== undefined) return client.ask(line);
    }
    onFiles ??= await offline(context);
    return onFiles(line);
  }
  let exitCode = 0;
  for await (const text of createInterface({ input: context.stdin })) {
    if (text.trim() === "") continue;
    const answer = Buffer.byteLength(text) > MAX_REQUEST_BYTES ? tooLarge : (await ask(text)).trimEnd();
    if (!answer.startsWith('{"ok":true')) exitCode = 1;
    context.out(answer);
  }
  client?.close();
  return exitCode;
}

const tooLarge = JSON.stringify({
  ok: false,
  code: "invalid",
  message: `a request has at most ${MAX_REQUEST_BYTES} bytes`,
});

/** The operations bring much with them that a client of the socket does not need. */
async function offline({ directories, version }: CommandContext): Promise<(line: string) => Promise<string>> {
  const { answerText } = await import("../admin/answer.ts");
  return (line) => answerText(line, { directories, version });
}
