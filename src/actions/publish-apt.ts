import * as core from '@actions/core';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { publish } from '../apt/publish.ts';
import { stateFile } from '../apt/state.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { runAction } from './action.ts';
import { requiredInput, textInput, wrongInput } from './inputs.ts';
import { checkOutPagesBranch } from './pages-branch.ts';
import { pagesAddress, pagesFolderInput } from './pages-folder.ts';
import { addToReleasePage } from './publish-page.ts';
import { fetchReleasePackages } from './release-packages.ts';
import { signKeysInput } from './sign-key-input.ts';
import { versionInput } from './version-input.ts';

await runAction(async ({ temporary, token, progress, signal, summary }) => {
  const version = versionInput('version');
  const branch = requiredInput('branch');
  const suite = requiredInput('suite');
  const keep = countInput('keep');
  const validDays = countInput('valid-days');
  const given = addressInput('base-url');
  const keys = await signKeysInput(signal);
  if (keys.length === 0) throw wrongInput('sign-key', 'there is no key', 'set it to an OpenPGP private key');
  if (token === undefined) throw wrongInput('token', 'there is none', 'leave `token:` at its default');

  const work = await mkdtemp(path.join(temporary, 'imgbuild-apt-'));
  try {
    const pages = path.join(work, 'pages');
    const site = pagesFolderInput('folder', pages);
    const { GITHUB_SERVER_URL: server = 'https://github.com', GITHUB_REPOSITORY: slug = '' } = process.env;
    const repository = `${server}/${slug}`;
    const request = { repository, branch, folder: pages, token, env: process.env, signal };
    const checkedOut = await checkOutPagesBranch(request);
    const isNew = !existsSync(path.join(site, 'dists'));
    const debs = path.join(work, 'debs');
    const url = await fetchReleasePackages({ version, directory: debs, token, progress, signal });
    const upload = path.join(work, 'upload');
    const published = await publish({
      site,
      debs,
      suite,
      name: textInput('repository-name'),
      defaultName: slug.slice(slug.indexOf('/') + 1).toLowerCase(),
      baseUrl: given ?? (isNew ? pagesAddress(slug, path.relative(pages, site)) : undefined),
      assets: { url, folder: upload },
      keep,
      validDays,
      keys,
      verify: false,
      adopt: false,
      progress,
      signal,
    });
    // First the files, then the indexes that name them.
    const files = (await readdir(upload)).filter((name) => name.endsWith('.deb')).toSorted();
    const paths = files.map((name) => path.join(upload, name));
    await addToReleasePage({ version, files: paths, draft: true, token, progress, signal });
    // It notes the times of files, which no clone has.
    const notes = path.relative(pages, path.join(site, stateFile));
    const changed = await checkedOut.push(`Publish ${version} in ${suite}`, notes);

    const added = published.added.map(({ name, version: own, architecture, size, sha256 }) => {
      return { name, version: own, architecture, size, sha256 };
    });
    core.setOutput('added', JSON.stringify(added));
    core.setOutput('changed', String(changed));
    const rows = added.map((each) => {
      return { cells: [each.name, each.version, each.architecture, formatBytes(each.size), each.sha256] };
    });
    const header = ['Package', 'Version', 'Architecture', 'Size', 'sha256'];
    const said = changed ? `${suite} lists ${published.packages} packages.` : `${suite} is as it was.`;
    core.info(said);
    await summary(tableSummary(`apt repository, ${suite}`, header, rows, said));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
});

function countInput(name: string): number | undefined {
  const text = textInput(name);
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw wrongInput(name, `${JSON.stringify(text)} is no count`, 'write a whole number from 1 on, or leave it out');
}

function addressInput(name: string): string | undefined {
  const text = textInput(name);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && /^[!-~]+$/.test(text) && !/[?#@]/.test(text)) {
    return url.href;
  }
  const because = 'it is no plain address of the web';
  throw wrongInput(name, because, 'write it as in https://example.github.io/packages/');
}
