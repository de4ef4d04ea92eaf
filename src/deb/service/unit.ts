import { programOf, type Service } from './service.ts';

/** The systemd unit: Docker restarts nothing by itself, so that exactly the expected image runs after every start. */
export function serviceUnit(service: Service, synopsis: string): string {
  const program = programOf(service);
  return `[Unit]
Description=${synopsis.replaceAll('%', '%%').replace(/\\+$/, '')}
Documentation=man:${program.slice('/usr/bin/'.length)}(1)
Requires=docker.service
After=docker.service network-online.target
Wants=network-online.target

[Service]
ExecStart=${program} start
ExecStop=${program} stop
Restart=always
RestartSec=5
RestartPreventExitStatus=78
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
`;
}
