/** Build systems that `dh` runs by itself (debhelper(7)). */
export const buildFiles =
  /^(?:configure|[Mm]akefile|GNUmakefile|setup\.py|pyproject\.toml|CMakeLists\.txt|meson\.build|Build\.PL|Makefile\.PL|build\.xml|.*\.pro)$/;

/** Files that other parts of debhelper read: what they make would be missing. */
export function needsDebhelper(name: string, packages: readonly string[]): boolean {
  const kind =
    /^(?:.*\.)?(alternatives|apport|bash-completion|bug-control|bug-script|config|cron\.[a-z]+|doc-base(?:\..+)?|emacsen-.*|gsettings-override|if-[a-z-]+|info|init|initramfs-.*|logcheck\..*|maintscript|manpages|menu|mime|modprobe|pam|po|ppp\..*|sharedmimeinfo|symbols(?:\..+)?|shlibs(?:\..+)?|templates|udev|wm|service\.in)$/.exec(
      name,
    )?.[1];
  if (kind === undefined) return false;
  return name === kind || packages.some((each) => name === `${each}.${kind}`);
}
