import { gzipSync } from 'node:zlib';
import { textFile, type FileEntry } from '../entry.ts';
import { serviceProgram } from './program.ts';
import { programOf, unitOf, type Service } from './service.ts';
import { serviceUnit } from './unit.ts';

/** The files of a service package; none of them is ever written again on the device. */
export function serviceFiles(service: Service, synopsis: string): FileEntry[] {
  const program = programOf(service).slice(1);
  const manual = gzipSync(manualPage(service, synopsis), { level: 9 });
  return [
    textFile(`opt/${service.name}/docker_image`, `${service.config}\n`),
    textFile(`opt/${service.name}/docker_image_tag`, `${service.reference}\n`),
    textFile(program, serviceProgram(service), 0o755),
    textFile(`usr/lib/systemd/system/${unitOf(service)}`, serviceUnit(service, synopsis)),
    textFile(`usr/share/man/man1/imgbuild-${service.name}.1.gz`, manual),
  ];
}

function manualPage(service: Service, synopsis: string): string {
  const program = `imgbuild-${service.name}`;
  const roff = (text: string) => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
  return `.TH ${roff(program.toUpperCase())} 1
.SH NAME
${roff(program)} \\- ${roff(synopsis)}
.SH SYNOPSIS
.B ${roff(program)}
.RB status | verify | start | stop
.SH DESCRIPTION
Runs the image of the package
.B ${roff(service.package)}
and says whether it is the one that runs.
.TP
.B status
What is expected and what runs. Exits with 0 when they are the same, 1 when another image runs, 3 when none does.
.TP
.B verify
Exits with 0 when the expected image is in this machine's Docker, and says how to bring it otherwise.
.TP
.BR start ", " stop
Run by
.BR ${roff(unitOf(service))} .
.SH FILES
.TP
.I /opt/${roff(service.name)}/docker_image
Digest of the config of the image that came with the package.
.TP
.I /opt/${roff(service.name)}/docker_image_tag
The name of that image.
.TP
.I /var/lib/imgbuild/${roff(service.product)}/current
What an update has put in place since.
`;
}
