/**
 * What a build may see of the environment: where programs are, the language, Debian's own variables and those of compilers,
 * and how to reach the network. Whatever else a job has, its tokens and keys among them, is none of its business.
 */
const passed = [
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|LANG|LANGUAGE|LC_[A-Z]+)$/,
  /^(?:DEB|DEBIAN|DH|DPKG)_[A-Z0-9_]+$/,
  /^(?:CC|CXX|CPP|C(?:PP|XX)?FLAGS|LDFLAGS|FFLAGS|MAKEFLAGS)$/,
  /^(?:(?:https?|ftp|all|no)_proxy|(?:HTTPS?|FTP|ALL|NO)_PROXY)$/,
];

/** Of dpkg-buildpackage, whose scripts come from whoever wrote the package. `mtime`: seconds, as SOURCE_DATE_EPOCH. */
export function buildEnvironment(env: NodeJS.ProcessEnv, mtime: number): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => passed.some((pattern) => pattern.test(name)));
  return { ...Object.fromEntries(kept), SOURCE_DATE_EPOCH: String(mtime) };
}
