/**
 * What of this process's environment a child gets: what any program of this machine needs, and the settings that the child reads. Whatever else is set
 * there, the secrets of other services and of the shell included, is none of its business.
 */
import type { z } from 'zod';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs, homes and temporary files are, and how text and time are written. */
const OF_ANY = /^(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|DYLD_\w+)$/;
/** Of nats-server: how much of the machine it may use. */
const OF_GO = /^(GOMAXPROCS|GOMEMLIMIT|GOGC|GODEBUG)$/;
/** Not all that begins with NODE_: NODE_AUTH_TOKEN is a secret of npm. */
const OF_NODE =
  /^(XDG_CACHE_HOME|SSL_CERT_(FILE|DIR)|UV_\w+|OPENSSL_\w+|(HTTPS?|ALL|NO)_PROXY|NODE_(OPTIONS|PATH|ENV|DEBUG|NO_WARNINGS|COMPILE_CACHE|DISABLE_COMPILE_CACHE|EXTRA_CA_CERTS|TLS_REJECT_UNAUTHORIZED|USE_ENV_PROXY|USE_SYSTEM_CA|ICU_DATA|V8_COVERAGE))$/i;
/** Any service may send traces. */
const OF_TRACING = /^OTEL_/;
/** For those who may reach a bucket, and where the SDK looks for what the settings do not say. */
const OF_BUCKETS = /^AWS_/;
const BUCKET = 'PENSTOCK_FILES_S3_BUCKET';

/** Of a server that is not ours: it has no settings here. */
export function serverEnvironment(env: Environment = process.env): Record<string, string> {
  return select(env, name => OF_ANY.test(name) || OF_GO.test(name));
}

/**
 * @param schemas of the settings that it reads, or hands on. @param own settings, which go before those of the environment, as far as it reads them; an
 * empty one only takes away what is there.
 */
export function serviceEnvironment(
  schemas: readonly z.ZodObject[],
  own: Readonly<Record<string, string>>,
  env: Environment = process.env,
): Record<string, string> {
  const settings = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
  // A service refuses a setting that comes both as a value and as a file.
  const decided = new Set(Object.keys(own).map(setting));
  const inherited = select(
    env,
    name =>
      [OF_ANY, OF_NODE, OF_TRACING].some(kind => kind.test(name)) ||
      (OF_BUCKETS.test(name) && settings.has(BUCKET)) ||
      (settings.has(setting(name)) && !decided.has(setting(name))),
  );
  return { ...inherited, ...select(own, name => settings.has(setting(name))) };
}

/** What a variable sets: itself, or what its file holds. */
function setting(variable: string): string {
  return variable.replace(/_FILE$/, '');
}

function select(env: Environment, isMeant: (name: string) => boolean): Record<string, string> {
  const meant: Record<string, string> = {};
  for (const [name, value = ''] of Object.entries(env))
    if (value !== '' && isMeant(name)) meant[name] = value;
  return meant;
}
