import type {
  CancelMessage,
  DrainOrder,
  ResumeAnswer,
  ResumeQuestion,
  RollCallMessage,
  RunningAnswer,
  RunningQuestion,
  WantedAnswer,
  WantedQuestion,
} from './control-message.ts';
import type { DoorStatus } from './door-status.ts';
import type { Heartbeat, ModelInfo } from './heartbeat.ts';
import type { IngressStatus } from './ingress-status.ts';

/** The bytes of a message that is one JSON object; its reader stands beside its type. */
export function encodeMessage(
  message:
    | Heartbeat
    | CancelMessage
    | RollCallMessage
    | DrainOrder
    | ResumeQuestion
    | ResumeAnswer
    | WantedQuestion
    | WantedAnswer
    | RunningQuestion
    | RunningAnswer
    | ModelInfo
    | IngressStatus
    | DoorStatus,
): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}
