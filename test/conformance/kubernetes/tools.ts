/**
 * What a Kubernetes API is made of where no image registry can be reached: kube-apiserver and Helm built from their Go modules, etcd from
 * Debian. Kept outside of the repository, and so are the resource definitions of others.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { must } from '../programs.ts';
import { ConformanceError, type Say } from '../suite.ts';

const CACHE = join(homedir(), '.cache/penstock/kubernetes');
const BIN = join(CACHE, 'bin');
export const KUBERNETES = 'v1.34.4';
export const HELM = 'v4.3.1';
const GO = 'Install Go 1.26 or newer (https://go.dev/dl); it needs the Go module proxy.';

/** Modules that live in Kubernetes' own repository, and have its version with a zero in front. */
const STAGING = [
  ...['api', 'apiextensions-apiserver', 'apimachinery', 'apiserver', 'cli-runtime', 'client-go'],
  ...['cloud-provider', 'cluster-bootstrap', 'code-generator', 'component-base', 'component-helpers'],
  ...['controller-manager', 'cri-api', 'cri-client', 'csi-translation-lib', 'dynamic-resource-allocation'],
  ...['endpointslice', 'externaljwt', 'kms', 'kube-aggregator', 'kube-controller-manager', 'kube-proxy'],
  ...['kube-scheduler', 'kubectl', 'kubelet', 'metrics', 'mount-utils', 'pod-security-admission'],
  ...['sample-apiserver', 'sample-cli-plugin', 'sample-controller'],
];

/** Module → where in it the definitions are that the chart uses. */
const DEFINITIONS: readonly (readonly [module: string, files: string])[] = [
  ['github.com/kedacore/keda/v2@v2.21.0', 'config/crd/bases/keda.sh_*.yaml'],
  [
    'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    'example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules,servicemonitors}.yaml',
  ],
  ['sigs.k8s.io/gateway-api@v1.6.3', 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
];

export interface Tools {
  readonly helm: string;
  readonly apiServer: string;
  readonly etcd: string;
  /** Texts of custom resource definitions. */
  readonly definitions: readonly string[];
}

/** @throws ConformanceError that says what to install. */
export function ensureTools(say: Say): Tools {
  mkdirSync(BIN, { recursive: true });
  return {
    etcd: onPath('etcd', 'Debian: apt-get install etcd-server.'),
    helm: ensureHelm(say),
    apiServer: ensureApiServer(say),
    definitions: DEFINITIONS.flatMap(([module, files]) => definitionsOf(module, files)),
  };
}

function onPath(program: string, remedy: string): string {
  const { error } = spawnSync(program, ['--version']);
  if (error !== undefined) throw new ConformanceError(`${program} is not on the PATH. ${remedy}`);
  return program;
}

/** Of the version that is pinned, whatever is on the PATH. */
export function ensureHelm(say: Say): string {
  const helm = join(BIN, 'helm');
  if (existsSync(helm)) return helm;
  say('building helm (minutes, once)');
  build({ GOBIN: BIN }, ['install', '-p', '1', `helm.sh/helm/v4/cmd/helm@${HELM}`], CACHE);
  return helm;
}

function ensureApiServer(say: Say): string {
  const server = join(BIN, 'kube-apiserver');
  if (existsSync(server)) return server;
  say('building kube-apiserver (ten minutes of CPU time, once)');
  const dir = join(CACHE, `kube-apiserver-${KUBERNETES}`);
  mkdirSync(dir, { recursive: true });
  const staging = KUBERNETES.replace(/^v1/, 'v0');
  const replaced = STAGING.map(name => `\tk8s.io/${name} => k8s.io/${name} ${staging}`).join('\n');
  const needed = `require k8s.io/kubernetes ${KUBERNETES}`;
  writeFileSync(join(dir, 'go.mod'), `module kube\n\ngo 1.24.0\n\n${needed}\n\nreplace (\n${replaced}\n)\n`);
  writeFileSync(
    join(dir, 'main.go'),
    'package main\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n\nfunc main() {}\n',
  );
  build({}, ['mod', 'tidy'], dir);
  const version = `-s -w -X k8s.io/component-base/version.gitVersion=${KUBERNETES}`;
  const args = ['build', '-p', '1', '-ldflags', version, '-o', `${server}.partial`];
  build({}, [...args, 'k8s.io/kubernetes/cmd/kube-apiserver'], dir);
  renameSync(`${server}.partial`, server);
  return server;
}

function build(env: Record<string, string>, args: readonly string[], dir: string): void {
  const all = { GOFLAGS: '-mod=mod', CGO_ENABLED: '0', ...env };
  must('env', [...Object.entries(all).map(pair => pair.join('=')), 'go', ...args], GO, dir);
}

function definitionsOf(module: string, files: string): readonly string[] {
  const { status, stdout, stderr } = spawnSync('go', ['mod', 'download', '-json', module], {
    cwd: CACHE,
    encoding: 'utf8',
  });
  if (status !== 0) throw new ConformanceError(`go could not fetch ${module}. ${GO}\n${stderr}`);
  const { Dir: dir } = JSON.parse(stdout) as { Dir: string };
  const paths = globSync(files, { cwd: dir });
  if (paths.length === 0) throw new ConformanceError(`${module} has no ${files}`);
  return paths.map(path => readFileSync(join(dir, path), 'utf8'));
}
