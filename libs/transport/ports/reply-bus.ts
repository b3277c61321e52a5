/**
 * Carries replies from workers to the ingress that holds the client's connection. Promises: packets reach a listening
 * ingress in log order, each at least once, across reconnects on either side, as long as Redis does not lose its log. Does
 * *not* promise delivery to an ingress that is gone.
 */
export interface ReplyBus {
  /** Appends to the log of the ingress and notifies it. Retried in order across reconnects, and while it is refused. */
  publish(ingressId: string, packet: Buffer): Promise<void>;
  /**
   * As {@link publish}, for packets of long answers: waits until the ingress has read most of what it was sent, so that what others publish
   * is not delayed. One call at a time for each ingress, else the order is not kept.
   * @throws where the ingress reads nothing for 15 s.
   */
  publishPaced(ingressId: string, packet: Buffer): Promise<void>;
  /** Bytes passed to `publish` and not yet confirmed. */
  readonly pendingBytes: number;
  /**
   * Hears what is published from now on. One ingress for each bus.
   * @param onPacket what it throws ends nothing: the packet is dropped.
   * @param onBadHint told of an announcement that is none, or of what nobody appended.
   */
  listen(ingressId: string, onPacket: (packet: Buffer) => void, onBadHint?: () => void): Promise<void>;
  /** False also while the other end is silent. */
  readonly connected: boolean;
  /** @param watcher told when the connection that publishes is lost, found again, silent, or answers again; and when replies are heard again. */
  onConnection(watcher: () => void): void;
  close(): Promise<void>;
}
