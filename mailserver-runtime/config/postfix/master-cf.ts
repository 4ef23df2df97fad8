/**
 * postfix-master.cf: `service/type/parameter=value`, one a line, for `postconf -P`. Its parameters are about single
 * Postfix processes; each line is named with the place where its effect is to be had here.
 */
import { entryLines, type LineProblem } from "../dms/lines.ts";
import { unknownParameter, withoutEquivalent } from "./parameters.ts";

export const MASTER_CF_FILE = "postfix-master.cf";

/** docker-mailserver passes over lines that begin with anything else. */
const BEGINS = /^[0-9a-z]/;

/** A problem for each line. */
export function masterCfProblems(text: string): LineProblem[] {
  return entryLines(text)
    .filter((entry) => BEGINS.test(entry.text))
    .map(({ line, text: entry }) => {
      const parts = /^([^/\s]+)\/([^/\s]+)\/([^=\s]+)\s*=/.exec(entry);
      if (parts === null) return { line, reason: "a line is written service/type/parameter=value" };
      const [, service, type, parameter = ""] = parts;
      const sentence = withoutEquivalent.find(([name]) => name.test(parameter))?.[1];
      return {
        line,
        reason:
          sentence === undefined
            ? `${parameter} of ${service}/${type} ${unknownParameter}`
            : `${parameter} of ${service}/${type} is not applied: ${sentence}`,
      };
    });
}
