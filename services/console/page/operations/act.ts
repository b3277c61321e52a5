/** How an operator acts: what is meant is shown, a reason is asked for, and what came of it is told for each target. */
import type { VNode } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { count } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { ask } from '../base/load.ts';

export interface Plan {
  /** As the console calls it. */
  readonly action: string;
  /** What the button says: `Drain`. */
  readonly verb: string;
  /** What follows from it. */
  readonly about: string;
  readonly thing: string;
  readonly targets: readonly string[];
}

interface Result {
  readonly target: string;
  readonly problem?: string;
}

export interface ActDialogProps {
  readonly plan: Plan;
  /** @param said what came of it; null where nothing was done. */
  readonly onClose: (said: string | null) => void;
}

const MOST_NAMED = 8;

export function ActDialog({ plan, onClose }: ActDialogProps): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const reason = String(new FormData(event.target as HTMLFormElement).get('reason'));
    setBusy(true);
    try {
      onClose(await carryOut(plan, reason));
    } catch (err) {
      setProblem((err as Error).message);
      setBusy(false);
    }
  };
  const { verb, about, thing, targets } = plan;
  const title = `${verb} ${count(targets.length, thing)}`;
  const others = targets.length - MOST_NAMED;
  return html`
    <dialog ref=${dialog} aria-labelledby="act-title" onClose=${() => onClose(null)}>
      <form onSubmit=${submit}>
        <h2 id="act-title">${title}?</h2>
        <p>${about}</p>
        <p><code>${targets.slice(0, MOST_NAMED).join(', ')}</code>${others > 0 ? ` and ${others} more` : ''}</p>
        <label for="reason">Reason, for the audit log</label>
        <input id="reason" name="reason" required minlength="3" maxlength="500" autocomplete="off" autofocus />
        ${problem !== null && html`<p class="problem" role="alert">${problem}</p>`}
        <div class="buttons">
          <button type="button" onClick=${() => onClose(null)}>Cancel</button>
          <button type="submit" class="main" disabled=${isBusy}>${title}</button>
        </div>
      </form>
    </dialog>
  `;
}

async function carryOut({ action, verb, targets }: Plan, reason: string): Promise<string> {
  const { results } = await ask<{ results: Result[] }>('/api/actions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ action, targets, reason }),
  });
  const problems = results.flatMap(({ target, problem }) =>
    problem === undefined ? [] : [`${target}: ${problem}`],
  );
  const done = results.length - problems.length;
  return [`${verb}: ${done} of ${results.length} done.`, ...problems.map(text => `${text}.`)].join(' ');
}

export interface SelectionBarProps {
  readonly selected: readonly string[];
  readonly plans: readonly Omit<Plan, 'targets'>[];
  /** Once something was done. */
  readonly onActed: () => void;
}

/** The buttons for what is selected; with what came of the last action. */
export function SelectionBar({ selected, plans, onActed }: SelectionBarProps): VNode {
  const [plan, setPlan] = useState<Plan | null>(null);
  const [said, setSaid] = useState('');
  const close = (text: string | null) => {
    setPlan(null);
    if (text === null) return;
    setSaid(text);
    onActed();
  };
  return html`
    <div class="acting">
      ${plans.map(
        each => html`
        <button key=${each.action} type="button" disabled=${selected.length === 0}
          onClick=${() => setPlan({ ...each, targets: selected })}>${each.verb}…</button>`,
      )}
      <span class="quiet">${selected.length} selected</span>
      <span class="said" role="status">${said}</span>
      ${plan !== null && html`<${ActDialog} plan=${plan} onClose=${close} />`}
    </div>
  `;
}

export interface Selection {
  readonly selected: readonly string[];
  has(id: string): boolean;
  toggle(id: string): void;
  /** All of these, or none where all are selected already. */
  toggleAll(ids: readonly string[]): void;
  clear(): void;
}

/** The same object until something else is selected. */
export function useSelection(): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const of = (selected: ReadonlySet<string>): Selection => ({
    selected: [...selected],
    has: id => selected.has(id),
    toggle: id => setIds(selected.symmetricDifference(new Set([id]))),
    toggleAll: all => setIds(all.every(id => selected.has(id)) ? new Set() : new Set(all)),
    clear: () => setIds(new Set()),
  });
  return useMemo(() => of(ids), [ids]);
}

/** The cell above a column of {@link SelectOne}. */
export function SelectAll({
  selection,
  ids,
  label,
}: {
  readonly selection: Selection;
  readonly ids: readonly string[];
  readonly label: string;
}): VNode {
  const isChecked = ids.length > 0 && ids.every(selection.has);
  return html`<td><input type="checkbox" aria-label=${label} checked=${isChecked} onChange=${() => selection.toggleAll(ids)} /></td>`;
}

export function SelectOne({ selection, id }: { readonly selection: Selection; readonly id: string }): VNode {
  return html`<td><input type="checkbox" aria-label=${`Select ${id}`} checked=${selection.has(id)} onChange=${() => selection.toggle(id)} /></td>`;
}
