/** What the server says it can, by state; nothing stands here that does not work (RFC 9051 §7.2.2). */
import type { Session } from "./session.ts";

/** In every state. */
const ALWAYS = ["IMAP4rev1", "IMAP4rev2", "SASL-IR", "LITERAL+", "LITERAL-", "ID", "ENABLE", "IDLE"];

/** After login; each with the RFC that says what it promises. */
const LOGGED_IN: readonly (readonly [name: string, rfc: number])[] = [
  ["NAMESPACE", 2342],
  ["CHILDREN", 3348],
  ["MULTIAPPEND", 3502],
  ["BINARY", 3516],
  ["UNSELECT", 3691],
  ["ACL", 4314],
  ["RIGHTS=texk", 4314],
  ["UIDPLUS", 4315],
  ["CATENATE", 4469],
  ["ESEARCH", 4731],
  ["WITHIN", 5032],
  ["SEARCHRES", 5182],
  ["SORT", 5256],
  ["I18NLEVEL=1", 5255],
  ["THREAD=ORDEREDSUBJECT", 5256],
  ["THREAD=REFERENCES", 5256],
  ["LIST-EXTENDED", 5258],
  ["CONTEXT=SEARCH", 5267],
  ["ESORT", 5267],
  ["METADATA", 5464],
  ["NOTIFY", 5465],
  ["URL-PARTIAL", 5550],
  ["LIST-STATUS", 5819],
  ["SORT=DISPLAY", 5957],
  ["SPECIAL-USE", 6154],
  ["CREATE-SPECIAL-USE", 6154],
  ["MOVE", 6851],
  ["MULTISEARCH", 7377],
  ["UTF8=ACCEPT", 6855],
  ["CONDSTORE", 7162],
  ["QRESYNC", 7162],
  ["UNAUTHENTICATE", 8437],
  ["STATUS=SIZE", 8438],
  ["LIST-MYRIGHTS", 8440],
  ["OBJECTID", 8474],
  ["REPLACE", 8508],
  ["SAVEDATE", 8514],
  ["PREVIEW", 8970],
  ["INPROGRESS", 9585],
  ["PARTIAL", 9394],
  ["UIDONLY", 9586],
  ["LIST-METADATA", 9590],
];

/** Where accounts have limits (RFC 9208 §3.1). */
const QUOTA = ["QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"];

/** The list without the word CAPABILITY. */
export function capabilities(session: Session): string {
  const { connection, dependencies, limits } = session;
  const names = [...ALWAYS];
  if (session.state === "not-authenticated") {
    // RFC 9051 §7.2.2, §11: without TLS nobody may log in.
    if (connection.tls) names.push(...session.sasl.names(connection).map((name) => `AUTH=${name}`));
    else {
      names.push("LOGINDISABLED");
      if (dependencies.startTls !== false) names.push("STARTTLS");
    }
  } else {
    names.push(...LOGGED_IN.map(([name]) => name), `APPENDLIMIT=${limits.message}`);
    if (!session.compressed) names.push("COMPRESS=DEFLATE");
    if (dependencies.quota) names.push(...QUOTA);
  }
  return names.join(" ");
}
