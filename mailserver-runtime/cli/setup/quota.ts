/** `setup quota`: dovecot-quotas.cf. */
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { parseQuotas, QUOTAS_FILE, quotaBytes } from "../../config/dms/quotas.ts";
import { CommandError } from "../command.ts";
import { accountAddress, refuseMissing } from "./email.ts";
import { refuseStackOwned } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const set: SetupCommand = {
  name: "quota set",
  usage: "<EMAIL ADDRESS> [<QUOTA>]",
  summary: "limits an account: 5G, or 0 for no limit",
  async run(session, [text, given]) {
    const address = accountAddress(this, session, text);
    await refuseMissing(session, address);
    await refuseStackOwned(session, "mailboxes", address);
    const quota = given ?? (await session.ask("Enter quota (e.g. 10M): "));
    if (quota === undefined || quota === "")
      throw new CommandError("Quota must not be empty (use 0 for unlimited quota)");
    try {
      quotaBytes(quota);
    } catch {
      throw usageError(
        this,
        "Invalid quota format. e.g. 302M (B (byte), k (kilobyte), M (megabyte), G (gigabyte) or T (terabyte))",
      );
    }
    await session.locked(async () => {
      const entry = (await session.read(QUOTAS_FILE, parseQuotas)).find((one) => one.address === address);
      const line = `${address}:${quota}`;
      await session.edit(
        QUOTAS_FILE,
        entry === undefined ? appendLine(line) : changeLines(new Map([[entry.line, line]])),
      );
    });
  },
};

const del: SetupCommand = {
  name: "quota del",
  usage: "<EMAIL ADDRESS>",
  summary: "gives an account the default limit again",
  async run(session, [text]) {
    const address = accountAddress(this, session, text);
    await refuseMissing(session, address);
    await refuseStackOwned(session, "mailboxes", address);
    await session.locked(async () => {
      const mine = (await session.read(QUOTAS_FILE, parseQuotas)).filter((one) => one.address === address);
      await session.edit(QUOTAS_FILE, changeLines(new Map(mine.map(({ line }) => [line, undefined]))));
    });
  },
};

export const quotaCommands: readonly SetupCommand[] = [set, del];
