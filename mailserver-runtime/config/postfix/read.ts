/** postfix-main.cf with the tables it names, read together: what they come to, and every line that comes to nothing. */
import type { Origin } from "../snapshot.ts";
import { EffectsBuilder } from "./builder.ts";
import type { PostfixEffects } from "./effects.ts";
import { expanded, MAIN_CF_FILE, parseMainCf } from "./main-cf.ts";
import { parameters as known, unknownParameter, withoutEquivalent } from "./parameters.ts";

/** Never throws. `hostname` stands for $myhostname where the file does not say it. */
export function readMainCf(
  text: string,
  hostname: string,
  readFile: (file: string) => string | undefined,
): PostfixEffects {
  const { parameters, problems } = parseMainCf(text);
  const into = new EffectsBuilder(readFile);
  for (const { line, reason } of problems) into.problem(MAIN_CF_FILE, line, reason);
  const names = {
    myhostname: hostname,
    mydomain: hostname.slice(hostname.indexOf(".") + 1),
    myorigin: hostname,
    virtual_alias_maps: "texthash:/etc/postfix/virtual",
    smtp_sasl_password_maps: "texthash:/etc/postfix/sasl_passwd",
    sender_dependent_relayhost_maps: "texthash:/etc/postfix/relayhost_map",
    mydestination: "",
    recipient_delimiter: "+",
  };
  for (const { line, name, value } of parameters) {
    const origin: Origin = { file: MAIN_CF_FILE, line, owner: "setup" };
    const take = known[name];
    const sentence = withoutEquivalent.find(([pattern]) => pattern.test(name))?.[1];
    if (take === undefined) {
      const why = sentence === undefined ? unknownParameter : `is not applied: ${sentence}`;
      into.problem(MAIN_CF_FILE, line, `${name} ${why}`);
      continue;
    }
    // A parameter that adds to itself means docker-mailserver's own value.
    const others = parameters.filter((other) => other.name !== name);
    const whole = expanded(value, others, names);
    if ("unknown" in whole) {
      into.problem(
        MAIN_CF_FILE,
        line,
        `${name} is not applied: $${whole.unknown} is not known here; write its value`,
      );
      continue;
    }
    try {
      take({ value: whole.value, origin, into });
    } catch (error) {
      into.problem(MAIN_CF_FILE, line, `${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return into.effects();
}
