/** EHLO (RFC 5321 §4.1.1.1). */
import type { Command } from "../command.ts";
import { extendedHello } from "./hello.ts";

export const ehlo: Command = {
  verb: "EHLO",
  modes: ["mx", "submission"],
  endsGroup: true,
  idle: true,
  run: extendedHello,
};
