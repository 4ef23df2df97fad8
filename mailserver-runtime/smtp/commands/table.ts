/** Every command there is, by mode and verb. */
import type { Command } from "../command.ts";
import type { SmtpMode } from "../session.ts";
import { auth } from "./auth.ts";
import { bdat } from "./bdat.ts";
import { data } from "./data.ts";
import { ehlo } from "./ehlo.ts";
import { helo } from "./helo.ts";
import { help } from "./help.ts";
import { lhlo } from "./lhlo.ts";
import { mail } from "./mail.ts";
import { noop } from "./noop.ts";
import { quit } from "./quit.ts";
import { rcpt } from "./rcpt.ts";
import { rset } from "./rset.ts";
import { starttls } from "./starttls.ts";
import { vrfy } from "./vrfy.ts";

export const commands: readonly Command[] = [
  ehlo,
  helo,
  lhlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  help,
  vrfy,
  quit,
  starttls,
  auth,
];

function of(mode: SmtpMode): ReadonlyMap<string, Command> {
  return new Map(
    commands.filter((command) => command.modes.includes(mode)).map((command) => [command.verb, command]),
  );
}
export const commandsOf: Readonly<Record<SmtpMode, ReadonlyMap<string, Command>>> = {
  mx: of("mx"),
  submission: of("submission"),
  lmtp: of("lmtp"),
};
