/** postfix-main.cf and the tables it names, as one input of the configuration. */
import { join } from "node:path";
import type { ConfigurationProblem } from "../snapshot.ts";
import { look, readText, type Source } from "../source.ts";
import type { PostfixEffects } from "./effects.ts";
import { MAIN_CF_FILE } from "./main-cf.ts";
import { readMainCf } from "./read.ts";

/** What the file comes to on a host of this name. */
export type PostfixReader = (hostname: string) => PostfixEffects;

export function postfixSource(config: string): Source<PostfixReader> {
  let signature = "never read";
  /** The files read last time: a change of any of them is a change of the whole. */
  let files: readonly string[] = [];
  let read: PostfixReader = () => readMainCf("", "", () => undefined);
  let problems: readonly ConfigurationProblem[] = [];
  const signatureOf = () =>
    [MAIN_CF_FILE, ...files].map((file) => look(join(config, file)).signature).join(" ");
  return {
    get value() {
      return read;
    },
    get problems() {
      return problems;
    },
    async refresh() {
      if (signatureOf() === signature) return false;
      const texts = new Map<string, string | undefined>();
      try {
        const text = textOf(config, MAIN_CF_FILE) ?? "";
        const readFile = (file: string) => {
          if (!texts.has(file)) texts.set(file, textOf(config, file));
          return texts.get(file);
        };
        readMainCf(text, "localhost", readFile);
        read = (hostname) => readMainCf(text, hostname, readFile);
        problems = [];
      } catch (error) {
        problems = [{ file: MAIN_CF_FILE, line: 0, reason: (error as Error).message }];
      }
      files = [...texts.keys()];
      signature = signatureOf();
      return true;
    },
  };
}

function textOf(config: string, file: string): string | undefined {
  const { stats } = look(join(config, file));
  return stats === undefined ? undefined : readText(join(config, file), stats);
}
