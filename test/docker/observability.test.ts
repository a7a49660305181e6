import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { workerCommand } from '../../src/cli/commands/worker.ts';
import { METRICS, type MetricDefinition, prometheusName } from '../../src/telemetry/metric-list.ts';

const docker = resolve(import.meta.dirname, '../../docker');
const read = (path: string): string => readFileSync(join(docker, path), 'utf8');
const yaml = (path: string): unknown => parse(read(path));

/** Every series the code exposes, with its labels. */
const SERIES = new Map<string, readonly string[]>(
  Object.entries<MetricDefinition>(METRICS).flatMap(([name, { kind, labels }]) => {
    const series = prometheusName(name as keyof typeof METRICS);
    if (kind !== 'histogram') return [[series, labels] as const];
    return [
      [`${series}_bucket`, [...labels, 'le']],
      [`${series}_sum`, labels],
      [`${series}_count`, labels],
    ] as const;
  }),
);
/** Put on every series by Prometheus itself. */
const SCRAPED = ['instance', 'job'];

/** Complaints about an expression: series that do not exist, labels they do not have. */
function complaints(expression: string): string[] {
  const used = [...expression.matchAll(/\b(checkback_\w+)(?:\{([^}]*)\})?/g)];
  if (used.length === 0) return [`no metric in ${expression}`];
  const of = used.flatMap(([, name, matchers = '']) => {
    const labels = SERIES.get(name!);
    if (labels === undefined) return [`${name} does not exist`];
    const matched = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!);
    return matched.filter((label) => ![...labels, ...SCRAPED].includes(label)).map((label) => `${name} has no label ${label}`);
  });
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(',').map((label) => label.trim()));
  const known = new Set([...used.flatMap(([, name]) => SERIES.get(name!) ?? []), ...SCRAPED]);
  return [...of, ...grouped.filter((label) => !known.has(label)).map((label) => `nothing in ${expression} has the label ${label}`)];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly action: string };
}
interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
interface Service {
  readonly image?: string;
  readonly profiles?: readonly string[];
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly args: { readonly MAIN: string } };
  readonly volumes?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}

const flags = new Set(workerCommand().options.map(({ long }) => long));
const unknownFlags = (words: readonly string[]): string[] => words.filter((word) => word.startsWith('--') && !flags.has(word));
/** What the grace period has to cover: the drain, and the time that is left to aborted handlers. */
const DRAIN_S = 30 + 2;

describe('docker/prometheus', () => {
  const { groups } = yaml('prometheus/alerts.yml') as { groups: { name: string; rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);

  it.each(rules.map((rule) => [rule.alert, rule] as const))('%s asks for metrics and labels that there are', (_name, { expr }) => {
    expect(complaints(expr)).toEqual([]);
  });

  it('says of every alert how bad it is, what it is about and what to do', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(['critical', 'warning'], alert).toContain(labels.severity);
      expect(
        [annotations.summary, annotations.action].every((text) => text.length > 10),
        alert,
      ).toBe(true);
    }
  });

  it('loads its rules and asks the workers of the compose file', () => {
    const config = yaml('prometheus/prometheus.yml') as {
      rule_files: string[];
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    for (const file of config.rule_files) expect(existsSync(join(docker, 'prometheus', file)), file).toBe(true);
    const { services } = yaml('compose.yaml') as { services: Record<string, Service> };
    const [found] = config.scrape_configs.flatMap(({ dns_sd_configs }) => dns_sd_configs);
    expect(Object.keys(services)).toEqual(expect.arrayContaining(found!.names));
    expect(read('worker/Dockerfile')).toContain(`EXPOSE ${found!.port}\n`);
  });
});

describe('docker/grafana', () => {
  const dashboard = JSON.parse(read('grafana/dashboards/checkback.json')) as { panels: Panel[] };
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  it('asks for metrics and labels that there are', () => {
    expect(expressions.flatMap((expression) => complaints(expression))).toEqual([]);
  });

  it('shows every metric there is', () => {
    const shown = expressions.join('\n');
    for (const name of Object.keys(METRICS) as (keyof typeof METRICS)[])
      expect(shown, name).toMatch(new RegExp(`\\b${prometheusName(name)}(_bucket)?\\b`));
  });

  it('has panels that fit, each with a number of its own and the datasource that is provisioned', () => {
    const { datasources } = yaml('grafana/provisioning/datasources/prometheus.yaml') as { datasources: { uid: string; url: string }[] };
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { title, gridPos, targets = [] } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (const { datasource } of targets) expect(datasource.uid, title).toBe(datasources[0]!.uid);
    }
    expect(datasources[0]!.url).toBe('http://prometheus:9090');
  });

  it('is provisioned from the folder that the compose file mounts', () => {
    const { providers } = yaml('grafana/provisioning/dashboards/checkback.yaml') as { providers: { options: { path: string } }[] };
    const { services } = yaml('compose.yaml') as { services: Record<string, Service> };
    expect(services['grafana']!.volumes!.map((volume) => volume.split(':')[1])).toContain(providers[0]!.options.path);
  });
});

describe('docker/compose.yaml', () => {
  const { services, volumes } = yaml('compose.yaml') as { services: Record<string, Service>; volumes: Record<string, unknown> };
  const all = Object.entries(services);
  const otherwise = (text: string): string => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');

  it('starts broker and database alone when nobody asks for more', () => {
    expect(all.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name)).toEqual(['namesrv', 'broker', 'mysql']);
    expect(all.filter(([, { profiles = ['full'] }]) => !profiles.includes('full'))).toEqual([]);
  });

  it('mounts, builds and waits for what there is', () => {
    for (const [name, { build, depends_on = [], network_mode, volumes: mounts = [] }] of all) {
      for (const mount of mounts) {
        const [from] = otherwise(mount).split(':');
        const isThere = from!.startsWith('.') ? existsSync(resolve(docker, from!)) : Object.hasOwn(volumes, from!);
        expect(isThere, `${name}: ${from}`).toBe(true);
      }
      const needed = Array.isArray(depends_on) ? (depends_on as string[]) : Object.keys(depends_on);
      if (network_mode?.startsWith('service:')) needed.push(network_mode.slice('service:'.length));
      for (const other of needed) expect(Object.keys(services), name).toContain(other);
      if (build === undefined) continue;
      const context = resolve(docker, otherwise(build.context));
      for (const file of [build.dockerfile, build.args.MAIN])
        expect(existsSync(resolve(context, otherwise(file))), `${name}: ${file}`).toBe(true);
    }
  });

  it('gives every image a tag, and a worker the time to drain', () => {
    const foreign = all.filter(([, { image }]) => !image!.includes('CHECKBACK_WORKER_IMAGE'));
    for (const [name, { image }] of foreign) expect(otherwise(image!), name).toMatch(/:v?\d/);
    expect(Number.parseInt(services['worker']!.stop_grace_period!, 10)).toBeGreaterThan(DRAIN_S);
    expect(services['worker']).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });
});

describe('A worker in a container', () => {
  const dockerfile = read('worker/Dockerfile');
  const exec = (instruction: string): string[] =>
    JSON.parse(new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(dockerfile)![1]!) as string[];

  it('is process 1 itself, without a shell around it, and not root', () => {
    expect(exec('ENTRYPOINT')[0]).toBe('node');
    expect(dockerfile).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(dockerfile).toContain('STOPSIGNAL SIGTERM');
  });

  it('is started with flags that the command has', () => {
    expect(exec('CMD')[0]).toBe('worker');
    expect(unknownFlags(exec('CMD'))).toEqual([]);
  });
});

describe('docker/kubernetes/worker.yaml', () => {
  const documents = parseAllDocuments(read('kubernetes/worker.yaml'));
  const [deployment] = documents.map((document) => document.toJS() as Record<string, never>) as unknown as [
    {
      spec: { template: { spec: { terminationGracePeriodSeconds: number; securityContext: object; containers: Record<string, never>[] } } };
    },
  ];
  const pod = deployment.spec.template.spec;
  const container = pod.containers[0] as unknown as {
    args: string[];
    securityContext: object;
    ports: { containerPort: number }[];
    livenessProbe: { httpGet: { path: string } };
    readinessProbe: { httpGet: { path: string }; timeoutSeconds: number };
  };

  it('is valid YAML of the kinds it says', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    expect(documents.map((document) => document.get('kind'))).toEqual(['Deployment', 'PodDisruptionBudget', 'NetworkPolicy']);
  });

  it('leaves a worker longer to end than its drain takes', () => {
    const drainMs = Number(container.args[container.args.indexOf('--drain-ms') + 1]);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drainMs / 1_000 + 2);
    expect(unknownFlags(container.args)).toEqual([]);
  });

  it('asks the paths that there are, and waits longer for an answer than that takes', () => {
    expect([container.livenessProbe.httpGet.path, container.readinessProbe.httpGet.path]).toEqual(['/livez', '/readyz']);
    expect(container.readinessProbe.timeoutSeconds).toBeGreaterThanOrEqual(2);
    expect(container.args).toContain(String(container.ports[0]!.containerPort));
  });

  it('runs it without root, without capabilities and on a read-only file system', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true });
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });
});

describe('docker/systemd/checkback-worker.service', () => {
  const unit = Object.fromEntries(
    [...read('systemd/checkback-worker.service').matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key!, value!]),
  );

  it('leaves a worker longer to end than its drain takes, and signals the worker itself', () => {
    const words = unit['ExecStart']!.split(' ');
    expect(Number(unit['TimeoutStopSec'])).toBeGreaterThan(Number(words[words.indexOf('--drain-ms') + 1]) / 1_000 + 2);
    expect(unknownFlags(words)).toEqual([]);
    expect(words[0]).toMatch(/\/node$/);
    expect(unit).toMatchObject({ KillSignal: 'SIGTERM', DynamicUser: 'yes', ProtectSystem: 'strict', NoNewPrivileges: 'yes' });
  });

  it('names a command that the package has', () => {
    const main = unit['ExecStart']!.split(' ')[1]!.replace('node_modules/checkback/', './');
    const { bin } = JSON.parse(readFileSync(resolve(dirname(docker), 'package.json'), 'utf8')) as { bin: { checkback: string } };
    expect(main).toBe(bin.checkback);
  });
});
