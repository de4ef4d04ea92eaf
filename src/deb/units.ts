import type { Snippets } from './maintainer-scripts.ts';
import { shellWord } from './shell.ts';

export interface PackagedUnit {
  /** `ccai-monitor.service` */
  name: string;
  /** Whether it has an [Install] section. */
  installable: boolean;
  enable: boolean;
  start: boolean;
  upgrade: 'restart' | 'stop' | 'leave';
}

/** Templates have no instance to start; other endings are no units that anything is started by. */
export function isManagedUnit(name: string): boolean {
  return /^[^@]+\.(?:mount|path|service|socket|target|timer)$/.test(name);
}

export function hasInstallSection(text: string): boolean {
  return /^\s*\[Install\]\s*$/im.test(text);
}

const configured =
  'if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-deconfigure" ] || [ "$1" = "abort-remove" ] ; then';

/**
 * Adds what enables, starts, restarts and removes units: the commands of debhelper's own snippets (autoscripts of
 * debhelper 13, public domain), so that a package behaves as its administrators know it.
 */
export function addUnitSnippets(units: readonly PackagedUnit[], snippets: Snippets): void {
  const sorted = units.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, enable } of sorted.filter(({ installable }) => installable)) {
    snippets.postinst.push(enable ? enabling(`'${name}'`) : notEnabling(`'${name}'`));
  }
  for (const { start, upgrade } of distinctWays(sorted)) {
    const names = wordsOf(sorted.filter((unit) => unit.start === start && unit.upgrade === upgrade));
    if (upgrade === 'restart') snippets.postinst.push(start ? restarting(names) : restartingOnly(names));
    else if (start) snippets.postinst.push(starting(names));
    if (upgrade === 'stop') snippets.preinst.push(stopping('upgrade', names));
    if (start) snippets.prerm.push(stopping('remove', names));
  }
  if (sorted.length > 0) snippets.postrm.push(reloading);
  const enabled = sorted.filter(({ installable }) => installable);
  if (enabled.length > 0) snippets.postrm.push(purging(wordsOf(enabled)));
}

export function addSysusersSnippet(files: readonly string[], snippets: Snippets): void {
  if (files.length === 0) return;
  snippets.postinst.push(`${configured}
   systemd-sysusers \${DPKG_ROOT:+--root="$DPKG_ROOT"} ${files.map(shellWord).join(' ')}
fi`);
}

export function addTmpfilesSnippet(files: readonly string[], snippets: Snippets): void {
  if (files.length === 0) return;
  snippets.postinst.push(`${configured}
	if [ -x "$(command -v systemd-tmpfiles)" ]; then
		systemd-tmpfiles \${DPKG_ROOT:+--root="$DPKG_ROOT"} --create ${files.map(shellWord).join(' ')} >/dev/null || true
	fi
fi`);
}

function distinctWays(units: readonly PackagedUnit[]): PackagedUnit[] {
  return [...new Map(units.map((unit) => [`${unit.start} ${unit.upgrade}`, unit])).values()];
}

function wordsOf(units: readonly PackagedUnit[]): string {
  return units.map(({ name }) => `'${name}'`).join(' ');
}

const enabling = (unit: string) => `${configured}
	# The following line should be removed in trixie or trixie+1
	deb-systemd-helper unmask ${unit} >/dev/null || true

	# was-enabled defaults to true, so new installations run enable.
	if deb-systemd-helper --quiet was-enabled ${unit}; then
		# Enables the unit on first installation, creates new
		# symlinks on upgrades if the unit file has changed.
		deb-systemd-helper enable ${unit} >/dev/null || true
	else
		# Update the statefile to add new symlinks (if any), which need to be
		# cleaned up on purge. Also remove old symlinks.
		deb-systemd-helper update-state ${unit} >/dev/null || true
	fi
fi`;

const notEnabling = (unit: string) => `${configured}
	if deb-systemd-helper debian-installed ${unit}; then
		# The following line should be removed in trixie or trixie+1
		deb-systemd-helper unmask ${unit} >/dev/null || true

		if deb-systemd-helper --quiet was-enabled ${unit}; then
			# Create new symlinks, if any.
			deb-systemd-helper enable ${unit} >/dev/null || true
		fi
	fi

	# Update the statefile to add new symlinks (if any), which need to be cleaned
	# up on purge. Also remove old symlinks.
	deb-systemd-helper update-state ${unit} >/dev/null || true
fi`;

const restarting = (units: string) => `${configured}
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			_dh_action=restart
		else
			_dh_action=start
		fi
		deb-systemd-invoke $_dh_action ${units} >/dev/null || true
	fi
fi`;

const restartingOnly = (units: string) => `${configured}
	if [ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			deb-systemd-invoke try-restart ${units} >/dev/null || true
		fi
	fi
fi`;

const starting = (units: string) => `${configured}
	if [ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		deb-systemd-invoke start ${units} >/dev/null || true
	fi
fi`;

const stopping = (when: 'upgrade' | 'remove', units: string) =>
  `if [ -z "\${DPKG_ROOT:-}" ] && [ "$1" = ${when} ] && [ -d /run/systemd/system ] ; then
	deb-systemd-invoke stop ${units} >/dev/null || true
fi`;

const reloading = `if [ "$1" = remove ] && [ -d /run/systemd/system ] ; then
	systemctl --system daemon-reload >/dev/null || true
fi`;

const purging = (units: string) => `if [ "$1" = "purge" ]; then
	if [ -x "/usr/bin/deb-systemd-helper" ]; then
		deb-systemd-helper purge ${units} >/dev/null || true
	fi
fi`;
