/**
 * How much more than expected a group is given, because what was expected was too little before. No forecast sees far ahead, and how far it
 * has to see depends on how long workers take to start; so the margin is not guessed but learned: it rises while requests wait too long and falls
 * otherwise, at such paces that it stays where that is so for {@link MISSED} of the time (online conformal prediction, Gibbs and Candès 2021). One
 * misfortune, however long it lasts, teaches no more than {@link SPELL_S} of it.
 */

/** Share of the time in which requests may wait too long. */
const MISSED = 0.005;
/** What a second of waiting adds, as a share of the load. */
const RISES_PER_S = 0.0004;
const MOST = 0.5;
const SPELL_S = 60;
/** Waiting begins anew after so long without, s. */
const BETWEEN_SPELLS_S = 300;
/** A gap this long tells nothing, s. */
const LONGEST_GAP_S = 60;

export class LearnedMargin {
  #margin = 0;
  #at: number | null = null;
  /** Of the present spell, s. */
  #spellS = 0;
  #quietS = 0;

  /** @param at Unix ms, rising. @param isLate whether requests wait too long now. @returns the margin, as a share of the load. */
  learn(at: number, isLate: boolean): number {
    const s = this.#at === null ? 0 : Math.min(LONGEST_GAP_S, (at - this.#at) / 1000);
    this.#at = at;
    this.#quietS = isLate ? 0 : this.#quietS + s;
    if (this.#quietS >= BETWEEN_SPELLS_S) this.#spellS = 0;
    const lateS = isLate ? Math.min(s, SPELL_S - this.#spellS) : 0;
    this.#spellS += lateS;
    this.#margin = Math.min(MOST, Math.max(0, this.#margin + RISES_PER_S * (lateS - MISSED * s)));
    return this.#margin;
  }
}
