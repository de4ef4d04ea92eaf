import { shellWord } from '../shell.ts';
import { programOf, stateOf, supersededOf, unitOf, verifiedOf, type Service } from './service.ts';

/**
 * `imgbuild-<name>`: a POSIX shell program, since devices have no Node. It finds the image by the digest of its config.
 * Docker's classic store calls an image by that digest; containerd's store calls it by its manifest or index, so there
 * `docker save` tells the config, once for every image, and the answer is kept: both are digests of contents.
 */
export function serviceProgram(service: Service): string {
  const { name, image } = service;
  const run = service.run;
  const options = [
    ...run.ports.flatMap((port) => ['--publish', port]),
    ...Object.entries(run.env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...run.volumes.flatMap((volume) => ['--volume', volume]),
    ...run.options,
  ];
  const optionWords = options.map((option) => ` \\\n    ${shellWord(option)}`).join('');
  return `#!/bin/sh
# Runs the image of the package ${service.package}, and says whether it is the one that runs.
set -eu
LC_ALL=C
export LC_ALL

name=${shellWord(name)}
package=${shellWord(service.package)}
image=${shellWord(image)}
share=${shellWord(`/opt/${name}`)}
state=${shellWord(stateOf(service))}
superseded=${shellWord(supersededOf(service))}
verified=${shellWord(verifiedOf(service))}
unit=${shellWord(unitOf(service))}

# Images and containers of this machine alone count.
unset DOCKER_CONTEXT
case "\${DOCKER_HOST:-}" in
  unix://*) ;;
  *) unset DOCKER_HOST ;;
esac

# Exit codes of sysexits(3): 69 is worth another try, 78 is not before something has changed.
fail() {
  code=$1
  shift
  printf '%s: %s\\n' "$name" "$*" >&2
  exit "$code"
}

# Whether an update has put another release in place since this package was installed.
has_moved_on() {
  [ -e "$state/current" ] || return 1
  [ -e "$superseded" ] || return 0
  cmp -s "$state/current" "$superseded" || return 0
  [ "$(stat -c %y "$state/current")" != "$(stat -c %y "$superseded")" ]
}

# Sets release, config, reference and origin: what ought to run.
expect() {
  reference=$(cat "$share/docker_image_tag")
  if has_moved_on; then
    origin=update
    flat=$(tr -d '\\n\\r\\t' <"$state/current")
    case $flat in
      *'"schema":1,'* | *'"schema": 1,'* | *'"schema":1}'*) ;;
      *) fail 78 "$state/current is not of a form that this package knows; install a newer one" ;;
    esac
    release=$(printf '%s\\n' "$flat" | sed -n 's|.*"version" *: *"\\([^"]*\\)".*|\\1|p')
    # The image's name may stand there with the registry that it came from.
    for key in '${sedPattern(image)}' '[^"]*/${sedPattern(image)}'; do
      entry=$(printf '%s\\n' "$flat" | sed -n "s|.*\\"$key\\" *: *{\\([^}]*\\)}.*|\\1|p")
      [ -z "$entry" ] || break
    done
    config=$(printf '%s\\n' "$entry" | sed -n 's|.*"config" *: *"\\(sha256:[0-9a-f]\\{64\\}\\)".*|\\1|p')
    [ -n "$release" ] && [ -n "$config" ] || fail 78 "$state/current says nothing of the image $image"
    reference=\${reference%:*}:$(printf '%s' "$release" | tr + _)
  else
    origin=package
    release=${shellWord(service.release)}
    config=$(cat "$share/docker_image")
  fi
}

require_docker() {
  command -v docker >/dev/null || fail 69 "there is no docker program: install Docker"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || fail 69 "Docker does not answer: is its service running?"
}

# The digests of config that an image of containerd's store has, one a line.
configs_of() {
  if [ -r "$verified" ] && grep -q "^$1 " "$verified"; then
    sed -n "s|^$1 ||p" "$verified"
    return
  fi
  found=$(docker save "$1" | tar -xOf - manifest.json | tr , '\\n' |
    sed -n 's|.*"Config" *: *"\\(blobs/sha256/\\)\\{0,1\\}\\([0-9a-f]\\{64\\}\\).*|sha256:\\2|p')
  printf '%s\\n' "$found"
  [ -w "$(dirname "$verified")" ] || return 0
  printf '%s\\n' "$found" | sed "s|^|$1 |" >>"$verified"
}

# Sets id: what Docker calls the image with the expected config. Fails when it has none.
find_image() {
  id=$(docker image inspect --format '{{.Id}}' "$config" 2>/dev/null) || id=
  [ "$id" = "$config" ] && return
  for id in $(docker image ls --no-trunc --format '{{.Repository}} {{.ID}}' |
    awk -v image="$image" '
      { tail = substr($1, length($1) - length(image)) }
      ($1 == image || tail == "/" image) && !seen[$2]++ { print $2 }'); do
    configs_of "$id" | grep -qx "$config" && return
  done
  id=
  return 1
}

explain_missing() {
  cat >&2 <<END
$name: the image of release $release is not in this machine's Docker:
  $reference ($config)
Bring it by one of these:
  imgbuild ota apply FILE
  docker load -i FILE
${service.pullable ? '  docker pull $reference\n' : ''}and then start the service:
  systemctl restart $unit
END
}

# Sets running, running_id and running_release: the container of this package.
look_at_container() {
  running=no
  found=$(docker container inspect --format \\
    '{{.State.Running}} {{.Image}} {{index .Config.Labels "imgbuild.package"}} {{index .Config.Labels "imgbuild.release"}}' \\
    "$name" 2>/dev/null) || return 0
  # shellcheck disable=SC2086 # four words
  set -- $found
  running_id=$2
  running_package=\${3:-}
  running_release=\${4:-unknown}
  running=stopped
  [ "$1" != true ] || running=yes
}

start() {
  expect
  require_docker
  find_image || {
    explain_missing
    exit 78
  }
  look_at_container
  if [ "$running" != no ]; then
    [ "$running_package" = "$package" ] || fail 78 "there is a container $name that is not of this package: remove it"
    docker rm --force "$name" >/dev/null
  fi
  exec docker run --rm --name "$name" --pull=never \\
    --label imgbuild.package="$package" --label imgbuild.release="$release" --label imgbuild.config="$config"${optionWords} \\
    "$id"
}

stop() {
  require_docker
  look_at_container
  [ "$running" = no ] || [ "$running_package" != "$package" ] || docker stop "$name" >/dev/null
}

verify() {
  expect
  require_docker
  find_image || {
    explain_missing
    exit 78
  }
}

status() {
  expect
  printf 'expected  %s (%s) %s\\n' "$release" "$origin" "$config"
  require_docker
  find_image || true
  printf 'image     %s\\n' "\${id:-missing: $reference}"
  look_at_container
  if [ "$running" != yes ]; then
    printf 'running   no\\n'
    exit 3
  fi
  if [ -n "$id" ] && [ "$running_id" = "$id" ]; then
    printf 'running   %s, as expected\\n' "$release"
    exit 0
  fi
  printf 'running   %s %s, not what is expected\\n' "$running_release" "$running_id"
  exit 1
}

case "\${1:-}" in
  start | stop | verify | status) "$1" ;;
  *)
    cat <<END
Usage: ${programOf(service).slice('/usr/bin/'.length)} status | verify | start | stop
status: what is expected and what runs; exits 0 when they are the same, 1 when another image runs, 3 when none does
verify: exits 0 when the expected image is in this machine's Docker, and says how to bring it otherwise
start, stop: run by $unit
END
    [ "\${1:-}" = --help ] || exit 64
    ;;
esac
`;
}

/** Characters of an image's name that sed would take for a pattern. */
function sedPattern(image: string): string {
  return image.replaceAll('.', '\\.');
}
