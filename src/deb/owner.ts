/** Who owns a path on the device: names, or numbers as texts. */
export interface Owner {
  user: string;
  group: string;
}

/** Numbers that every Debian system has given these names (base-passwd). */
const users: Record<string, number> = {
  root: 0,
  daemon: 1,
  bin: 2,
  sys: 3,
  sync: 4,
  games: 5,
  man: 6,
  lp: 7,
  mail: 8,
  news: 9,
  uucp: 10,
  proxy: 13,
  'www-data': 33,
  backup: 34,
  list: 38,
  irc: 39,
  nobody: 65_534,
};

const groups: Record<string, number> = {
  root: 0,
  daemon: 1,
  bin: 2,
  sys: 3,
  adm: 4,
  tty: 5,
  disk: 6,
  lp: 7,
  mail: 8,
  news: 9,
  uucp: 10,
  man: 12,
  proxy: 13,
  kmem: 15,
  dialout: 20,
  fax: 21,
  voice: 22,
  cdrom: 24,
  floppy: 25,
  tape: 26,
  sudo: 27,
  audio: 29,
  dip: 30,
  'www-data': 33,
  backup: 34,
  operator: 37,
  list: 38,
  irc: 39,
  src: 40,
  shadow: 42,
  utmp: 43,
  video: 44,
  sasl: 45,
  plugdev: 46,
  staff: 50,
  games: 60,
  users: 100,
  nogroup: 65_534,
};

export interface TarOwner {
  uid: number;
  gid: number;
  /** '' where only the number counts. */
  userName: string;
  groupName: string;
}

const root: TarOwner = { uid: 0, gid: 0, userName: 'root', groupName: 'root' };

/**
 * What stands in the archive. Names that the device gives a number of its own choice are unknown when dpkg unpacks:
 * such paths belong to root until postinst gives them away (debian-policy 10.9).
 */
export function tarOwner(owner: Owner | undefined): TarOwner {
  if (owner === undefined || hasLateName(owner)) return root;
  const [uid, gid] = [numberOf(owner.user, users)!, numberOf(owner.group, groups)!];
  const nameOf = (text: string) => (/^[0-9]/.test(text) ? (text === '0' ? 'root' : '') : text);
  return { uid, gid, userName: nameOf(owner.user), groupName: nameOf(owner.group) };
}

/** Whether only the device knows the numbers of these names. */
export function isLate(owner: Owner | undefined): owner is Owner {
  return owner !== undefined && hasLateName(owner);
}

/** Of the names of an owner those that no Debian system has from the start. */
export function lateNames({ user, group }: Owner): string[] {
  const late = [numberOf(user, users) === undefined ? user : [], numberOf(group, groups) === undefined ? group : []];
  return [...new Set(late.flat())];
}

function hasLateName({ user, group }: Owner): boolean {
  return numberOf(user, users) === undefined || numberOf(group, groups) === undefined;
}

function numberOf(text: string, known: Record<string, number>): number | undefined {
  return /^[0-9]+$/.test(text) ? Number(text) : Object.hasOwn(known, text) ? known[text] : undefined;
}
