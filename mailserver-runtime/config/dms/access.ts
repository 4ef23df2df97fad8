/**
 * postfix-send-access.cf and postfix-receive-access.cf, access(5): `address REJECT`. `setup email restrict`
 * writes whole addresses; by hand a `domain` or `user@` may stand there as well and is kept as it is.
 */
import { type Parsed, parseLines } from "./lines.ts";

export const SEND_ACCESS_FILE = "postfix-send-access.cf";
export const RECEIVE_ACCESS_FILE = "postfix-receive-access.cf";

export interface AccessLine {
  readonly line: number;
  /** Lower case. */
  readonly address: string;
}

export function parseAccess(text: string): Parsed<AccessLine> {
  return parseLines(
    text,
    ({ line, text: entry }) => {
      const [address = "", action = ""] = entry.split(/\s+/);
      if (action.toUpperCase() !== "REJECT")
        throw new Error(`"${address}" must be followed by REJECT; "${action}" is not supported`);
      return { line, address: address.toLowerCase() };
    },
    (entry) => entry.address,
  );
}
