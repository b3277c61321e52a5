/** What the processes of the driver `process` get of the scaler's environment: nobody gets what only another one needs. */

type Environment = Readonly<Record<string, string | undefined>>;

const OF_A_SCALER = /^PENSTOCK_(SCALE|POOLS)/;
/** Who a process is at NATS and Redis. */
const LOGIN =
  /^PENSTOCK_(NATS_(USER|PASSWORD|TOKEN|NKEY|CREDS)|REDIS_(USER|PASSWORD|SENTINEL_USER|SENTINEL_PASSWORD))(_FILE)?$/;
const OF_ANY_ENGINE = /^PENSTOCK_SIM_/;

/** @param own settings of workers, which go before those of the scaler. Where they say who a worker is, it is not the scaler. */
export function workerEnvironment(env: Environment, own: Readonly<Record<string, string>>): Environment {
  const isSomebody = Object.keys(own).some(name => LOGIN.test(name));
  return {
    ...without(env, name => OF_A_SCALER.test(name) || (isSomebody && LOGIN.test(name))),
    ...own,
  };
}

/** Of a simulated engine, which speaks to nobody. */
export function engineEnvironment(env: Environment): Environment {
  return without(env, name => name.startsWith('PENSTOCK_') && !OF_ANY_ENGINE.test(name));
}

function without(env: Environment, isLeftOut: (name: string) => boolean): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isLeftOut(name)));
}
