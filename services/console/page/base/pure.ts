/** What is not drawn again where nothing changed: a page is told four times a second of workers by the hundred. */
import { Component } from 'preact';
import { useRef } from 'preact/hooks';
import { byName } from '../../shared/words.ts';

/** Drawn again only where a property is another one. */
export abstract class Pure<P extends object> extends Component<P> {
  override shouldComponentUpdate(next: P): boolean {
    const before: object = this.props;
    return Object.entries(next).some(([name, value]) => before[name as keyof typeof before] !== value);
  }
}

type Named<T> = readonly [name: string, row: T];

/** Rows in the order of their names, which are not sorted again where they are the same as before. */
export function useByName<T>(rows: Readonly<Record<string, T>>): readonly Named<T>[] {
  const last = useRef<{ rows: object; sorted: readonly Named<T>[] }>({ rows: {}, sorted: [] });
  if (last.current.rows !== rows) {
    const { sorted } = last.current;
    const isSame =
      sorted.length === Object.keys(rows).length && sorted.every(([name]) => Object.hasOwn(rows, name));
    last.current = {
      rows,
      sorted: isSame ? sorted.map(([name]) => [name, rows[name] as T]) : Object.entries(rows).sort(byName),
    };
  }
  return last.current.sorted;
}
