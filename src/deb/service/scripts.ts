import type { Snippets } from '../maintainer-scripts.ts';
import { shellWord } from '../shell.ts';
import { programOf, stateOf, supersededOf, unitOf, verifiedOf, type Service } from './service.ts';

/**
 * Maintainer scripts. They keep no network waiting, fail on nothing that can be put right later, and never stop a
 * service that runs for the sake of an image that is not there yet.
 */
export function addServiceSnippets(service: Service, snippets: Snippets): void {
  snippets.postinst.push(postinst(service));
  snippets.prerm.push(prerm(service));
  snippets.postrm.push(postrm(service));
}

function postinst(service: Service): string {
  return `unit=${shellWord(unitOf(service))}
program=${shellWord(programOf(service))}
state=${shellWord(stateOf(service))}
superseded=${shellWord(supersededOf(service))}
version=${shellWord(service.debianVersion)}

# An update may have put another release in place. It stays there, unless this package is at least as new, or was
# installed over a newer one on purpose.
supersede() {
  [ -e "$state/current" ] || return 0
  updated=$(tr -d '\\n' <"$state/current" | sed -n 's|.*"version" *: *"v\\{0,1\\}\\([^"]*\\)".*|\\1|p' | sed 's/-/~/')
  if ! dpkg --compare-versions "$version" ge "$updated"; then
    [ -n "$1" ] && dpkg --compare-versions "$version" lt "$1" || return 0
  fi
  cp -p "$state/current" "$superseded.new"
  mv "$superseded.new" "$superseded"
}

case "$1" in
  configure)
    mkdir -p "$state"
    supersede "\${2:-}"
    ;;
  abort-upgrade | abort-remove | abort-deconfigure) ;;
  *)
    echo "postinst called with unknown argument '$1'" >&2
    exit 1
    ;;
esac

if command -v deb-systemd-helper >/dev/null; then
  deb-systemd-helper unmask "$unit" >/dev/null || true
  if deb-systemd-helper --quiet was-enabled "$unit"; then
    deb-systemd-helper enable "$unit" >/dev/null || true
  else
    deb-systemd-helper update-state "$unit" >/dev/null || true
  fi
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if "$program" verify; then
  if [ -d /run/systemd/system ]; then
    deb-systemd-invoke restart "$unit" >/dev/null || true
  fi
else
  echo "${service.package} is installed; its service starts when the image is there. To look: ${programOf(service).slice('/usr/bin/'.length)} status" >&2
fi
`;
}

function prerm(service: Service): string {
  return `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${shellWord(unitOf(service))} >/dev/null || true
fi
`;
}

function postrm(service: Service): string {
  const state = stateOf(service);
  return `if [ "$1" = purge ]; then
  rm -f ${shellWord(supersededOf(service))} ${shellWord(verifiedOf(service))}
  if [ -d ${shellWord(state)} ]; then
    rmdir --ignore-fail-on-non-empty ${shellWord(state)}
  fi
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge ${shellWord(unitOf(service))} >/dev/null || true
  fi
fi
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
`;
}
