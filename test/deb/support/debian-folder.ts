import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const maintainer = 'Example Team <team@example.com>';

const changelog = (source: string) => `${source} (1.0-210201) unstable; urgency=medium

  * Models of the release.

 -- ${maintainer}  Mon, 01 Feb 2021 10:00:00 +0000

${source} (0.9) unstable; urgency=medium

  * The first.

 -- ${maintainer}  Fri, 01 Jan 2021 10:00:00 +0000
`;

const rules = '#!/usr/bin/make -f\n%:\n\tdh $@\n\noverride_dh_auto_build:\n\noverride_dh_auto_install:\n';

/** The form in which models are packaged: most of them commented out by `#Package:`, with or without empty lines. */
export const modelsFolder: Record<string, string> = {
  'package/models/debian/control': `Source: service-runtime-models
Section: misc
Priority: optional
Maintainer: ${maintainer}
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.5.0

Package: service-runtime-models-ocr
Architecture: all
Depends: service-runtime, \${misc:Depends}
Description: service-runtime-models
 service-runtime-models

Package: service-runtime-models-tts
Architecture: all
Depends: service-runtime (>= \${source:Version}), \${misc:Depends}
Description: service-runtime-models
 service-runtime-models

#Package: service-runtime-models-lspeech-s5-ext
#Architecture: all
#Depends: service-runtime, \${misc:Depends}
#Description: service-runtime-models
# service-runtime-models

#Package: service-runtime-models-deeplab

#Architecture: all

#Depends: service-runtime, \${misc:Depends}

#Description: segmentation

# of pictures
`,
  'package/models/debian/changelog': changelog('service-runtime-models'),
  'package/models/debian/rules': rules,
  'package/models/debian/copyright': 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n',
  'package/models/debian/service-runtime-models-ocr.install': `# SOURCE FOLDER
models/ocr/*.xml opt/intel/service_runtime/models/ocr
models/ocr/{weights,labels}.bin /opt/intel/service_runtime/models/ocr/
`,
  'package/models/debian/service-runtime-models-tts.install': 'models/tts opt/intel/service_runtime/models/\n',
  'package/models/debian/service-runtime-models-lspeech-s5-ext.install':
    'models/lspeech_s5_ext/* opt/intel/service_runtime/models/lspeech_s5_ext\n',
  'package/models/debian/service-runtime-models-deeplab.install':
    'models/deeplab.bin opt/intel/service_runtime/models\n',
  'package/models/models/ocr/graph.xml': '<net/>\n',
  'package/models/models/ocr/weights.bin': 'ocr weights\n',
  'package/models/models/ocr/labels.bin': 'ocr labels\n',
  'package/models/models/tts/model.bin': 'tts weights\n',
  'package/models/models/tts/vocabulary/words.txt': 'a b c\n',
  'package/models/models/lspeech_s5_ext/model.mdl': 'speech\n',
  'package/models/models/deeplab.bin': 'deeplab\n',
};

const unit = (text: string) => `[Unit]\nDescription=${text}\n[Service]\nExecStart=/usr/bin/monitor\n`;
const install = '[Install]\nWantedBy=multi-user.target\n';

/** A folder that uses what imgbuild stands in for. */
export const monitorFolder: Record<string, string> = {
  'debian/control': `Source: health-monitor
Section: admin
Priority: optional
Maintainer: ${maintainer}
Build-Depends: debhelper-compat (= 13)
Homepage: https://example.com/monitor
Standards-Version: 4.6.2

# Said of both.
Package: health-monitor
Architecture: any
Multi-Arch: foreign
Pre-Depends: \${misc:Pre-Depends}
Depends: \${misc:Depends}, adduser, curl (>= 7) | wget,
 jq [!ia64], ia64-libs [ia64]
Recommends: health-monitor-doc (= \${binary:Version})
Suggests: gnuplot
Breaks: health-monitor-old (<< 1.0)
Replaces: health-monitor-old (<< 1.0)
Provides: monitor (= 1)
Description: looks after the service
 It restarts what does not answer.
 .
  * and says so

Package: health-monitor-doc
Architecture: all
Section: doc
Depends: \${misc:Depends}
Description: how to look after the service
 Pages.
`,
  'debian/changelog': changelog('health-monitor'),
  'debian/rules': `#!/usr/bin/make -f
export DH_VERBOSE = 1
%:
\tdh $@ --with=installsysusers

override_dh_auto_build:
override_dh_auto_install:

override_dh_installsystemd:
\tdh_installsystemd --no-enable --name=health-helper
\tdh_installsystemd --no-restart-after-upgrade --name=health-monitor

execute_after_dh_fixperms:
\tchmod 0750 debian/health-monitor/usr/lib/monitor/private
\tchmod 4755 debian/health-monitor/usr/bin/monitor
`,
  'debian/copyright': 'Copyright: Example Team\n',
  'debian/health-monitor.install': `bin/monitor usr/bin
lib/* usr/lib/monitor
etc/monitor.conf etc/monitor
share/data
`,
  'debian/health-monitor.dirs': 'var/lib/monitor\nvar/lib/monitor/spool\n',
  'debian/health-monitor.links': `usr/bin/monitor usr/bin/health
etc/monitor/monitor.conf /usr/lib/monitor/monitor.conf
`,
  'debian/health-monitor.service': `${unit('monitor')}${install}`,
  'debian/health-monitor.health-helper.service': `${unit('helper')}${install}`,
  'debian/health-monitor.sysusers': 'u monitor - "health monitor" /var/lib/monitor\n',
  'debian/health-monitor.tmpfiles': 'd /run/monitor 0755 monitor monitor\n',
  'debian/health-monitor.default': 'OPTIONS=\n',
  'debian/health-monitor.logrotate': '/var/log/monitor.log {\n\tweekly\n}\n',
  'debian/health-monitor.lintian-overrides': 'health-monitor: no-manual-page\n',
  'debian/health-monitor.docs': 'README.md\n',
  'debian/health-monitor.postinst': `#!/bin/sh
set -e
echo "configured with $1"
#DEBHELPER#
exit 0
`,
  'debian/health-monitor.triggers': 'activate-noawait ldconfig\n',
  'debian/health-monitor-doc.docs': 'doc/*.txt\n',
  'debian/health-monitor-doc.examples': 'doc/examples/*\n',
  'bin/monitor': '#!/bin/sh\n',
  'lib/plain.sh': 'x=1\n',
  'lib/private/key.sh': 'y=1\n',
  'etc/monitor.conf': 'every=10\n',
  'share/data': 'data\n',
  'README.md': '# Monitor\n',
  'doc/guide.txt': 'guide\n',
  'doc/examples/small.conf': 'every=60\n',
};

/** Files whose names say that they are programs get the bit. */
export function writeFiles(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    if (/(?:^|\/)(?:rules|monitor)$/.test(path)) chmodSync(join(root, path), 0o755);
  }
}
