/** What the processes of a region tell each other of themselves beside their work. It goes by itself when they do. */

/** A process that holds a name. */
export interface NameHolder {
  /** Of the process, unlike any other's. */
  readonly nonce: string;
  readonly host: string;
  readonly pid: number;
  /** Where its pid means something: the start of the machine, and the namespace of pids; '' where that is not known. */
  readonly place: string;
  /** How often it has renewed its hold. */
  readonly beats: number;
}

/** A setting that another process has otherwise. */
export interface OtherSetting {
  readonly setting: string;
  readonly value: string;
  /** Name of a process that has it so. */
  readonly by: string;
}

export interface RegionNodes {
  /**
   * Takes a name, or renews the hold on it.
   * @param ttlMs the name is free after this. @param instead nonce of a holder that is known to be dead; '' for none.
   * @returns null where the name is held now, else who holds it.
   */
  hold(name: string, holder: NameHolder, ttlMs: number, instead?: string): Promise<NameHolder | null>;
  /** Frees a name that the process of the nonce holds. */
  letGo(name: string, nonce: string): Promise<void>;
  /**
   * Says which settings a process has that must be the same everywhere.
   * @param ttlMs what no process says for so long is forgotten.
   * @returns those that are known otherwise.
   */
  compare(
    by: string,
    settings: Readonly<Record<string, string>>,
    ttlMs: number,
  ): Promise<readonly OtherSetting[]>;
}
