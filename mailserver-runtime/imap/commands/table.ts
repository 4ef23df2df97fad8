/** Every command, one row each; the tests' check for completeness is made from here. */
import { deleteacl, getacl, listrights, myrights, setacl } from "./acl.ts";
import { append } from "./append.ts";
import { authenticate } from "./authenticate.ts";
import { cancelupdate } from "./cancelupdate.ts";
import { capability } from "./capability.ts";
import { check } from "./check.ts";
import { close } from "./close.ts";
import type { Command } from "./command.ts";
import { compress } from "./compress.ts";
import { copy, move, uidCopy, uidMove } from "./copy.ts";
import { create } from "./create.ts";
import { deleteMailbox } from "./delete.ts";
import { enable } from "./enable.ts";
import { esearch } from "./esearch.ts";
import { expunge, uidExpunge } from "./expunge.ts";
import { fetch, uidFetch } from "./fetch.ts";
import { getquota, getquotaroot } from "./getquota.ts";
import { id } from "./id.ts";
import { idle } from "./idle.ts";
import { list, lsub } from "./list.ts";
import { login } from "./login.ts";
import { logout } from "./logout.ts";
import { getmetadata, setmetadata } from "./metadata.ts";
import { namespace } from "./namespace.ts";
import { noop } from "./noop.ts";
import { notify } from "./notify.ts";
import { rename } from "./rename.ts";
import { replace, uidReplace } from "./replace.ts";
import { search, uidSearch } from "./search.ts";
import { examine, select } from "./select.ts";
import { sort, uidSort } from "./sort.ts";
import { starttls } from "./starttls.ts";
import { status } from "./status.ts";
import { store, uidStore } from "./store.ts";
import { subscribe, unsubscribe } from "./subscribe.ts";
import { thread, uidThread } from "./thread.ts";
import { unauthenticate } from "./unauthenticate.ts";
import { unselect } from "./unselect.ts";

export const commands: readonly Command[] = [
  capability,
  noop,
  logout,
  id,
  starttls,
  authenticate,
  login,
  unauthenticate,
  enable,
  compress,
  namespace,
  select,
  examine,
  create,
  deleteMailbox,
  rename,
  subscribe,
  unsubscribe,
  list,
  lsub,
  status,
  getmetadata,
  setmetadata,
  setacl,
  deleteacl,
  getacl,
  listrights,
  myrights,
  getquota,
  getquotaroot,
  append,
  idle,
  notify,
  check,
  close,
  unselect,
  expunge,
  uidExpunge,
  replace,
  uidReplace,
  search,
  uidSearch,
  cancelupdate,
  esearch,
  sort,
  uidSort,
  thread,
  uidThread,
  fetch,
  uidFetch,
  store,
  uidStore,
  copy,
  uidCopy,
  move,
  uidMove,
];

const byName = new Map(commands.map((command) => [command.name, command]));

/** The command of that upper-case name. */
export function findCommand(name: string): Command | undefined {
  return byName.get(name);
}
