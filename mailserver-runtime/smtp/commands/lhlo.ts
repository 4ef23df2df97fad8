/** LHLO (RFC 2033 §4.1): LMTP's only greeting. */
import type { Command } from "../command.ts";
import { extendedHello } from "./hello.ts";

export const lhlo: Command = {
  verb: "LHLO",
  modes: ["lmtp"],
  endsGroup: true,
  idle: true,
  run: extendedHello,
};
