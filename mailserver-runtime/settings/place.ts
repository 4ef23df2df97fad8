/**
 * Where another program listens, in the ways people write it: `127.0.0.1:11333`, `[::1]:11333`, `/run/x.sock`, and as
 * Postfix and libmilter have it, `inet:127.0.0.1:11333`, `inet:11333@127.0.0.1`, `unix:/run/x.sock`, `local:/run/x.sock`.
 */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

/** undefined for what names no place. */
export function placeOf(text: string): Place | undefined {
  const path = /^(?:(?:unix|local):)?(\/[^\0]+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const backwards = /^inet6?:(\d{1,5})@(.+)$/.exec(text);
  const [, host, port] =
    backwards === null
      ? (/^(?:inet6?:|tcp:)?(.+):(\d{1,5})$/.exec(text) ?? [])
      : [undefined, backwards[2], backwards[1]];
  if (host === undefined || port === undefined) return undefined;
  const name = /^\[([^[\]]+)\]$/.exec(host)?.[1] ?? host;
  const isName = /^[\w.-]+$/.test(name) || (/^[0-9a-fA-F:.]+$/.test(name) && name !== host);
  const number = Number(port);
  return isName && number >= 1 && number <= 65535 ? { host: name, port: number } : undefined;
}

/** As it stands in messages. */
export const placeText = (place: Place): string =>
  "path" in place ? place.path : `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
