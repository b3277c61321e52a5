/** Has a simulated engine take so many times as long for everything from now on, what runs included; 1 is as it was. */
export async function slowDown(engine: { readonly url: string }, factor: number): Promise<void> {
  await fetch(`${engine.url}/sim/slowdown`, { method: 'POST', body: JSON.stringify({ factor }) });
}
